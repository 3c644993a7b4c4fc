"""A slow and plain reading of pages, written from the table of values alone.

It shares no code with billing-lake: its own list of fields, Python's json for the grammar, decimal for the money. It is
the measure for the golden pages and for what a sync publishes.
"""

import datetime
import decimal
import json
import re

TEXT, DECIMAL, ID, DATE, INSTANT, FLAG, AMOUNTS = "text", "decimal", "id", "date", "instant", "flag", "amounts"
MAP = "map"

# Name in JSON, name of the column, type: typed in by hand, in the order of the wire.
USAGE_DETAILS = [
    ("serviceName", "service_name", TEXT),
    ("serviceTier", "service_tier", TEXT),
    ("location", "location", TEXT),
    ("chargesBilledSeparately", "charges_billed_separately", FLAG),
    ("partNumber", "part_number", TEXT),
    ("resourceGuid", "resource_guid", TEXT),
    ("offerId", "offer_id", TEXT),
    ("cost", "cost", DECIMAL),
    ("accountId", "account_id", ID),
    ("productId", "product_id", ID),
    ("resourceLocationId", "resource_location_id", ID),
    ("consumedServiceId", "consumed_service_id", ID),
    ("departmentId", "department_id", ID),
    ("accountOwnerEmail", "account_owner_email", TEXT),
    ("accountName", "account_name", TEXT),
    ("serviceAdministratorId", "service_administrator_id", TEXT),
    ("subscriptionId", "subscription_id", ID),
    ("subscriptionGuid", "subscription_guid", TEXT),
    ("subscriptionName", "subscription_name", TEXT),
    ("date", "date", DATE),
    ("product", "product", TEXT),
    ("meterId", "meter_id", TEXT),
    ("meterCategory", "meter_category", TEXT),
    ("meterSubCategory", "meter_sub_category", TEXT),
    ("meterRegion", "meter_region", TEXT),
    ("meterName", "meter_name", TEXT),
    ("consumedQuantity", "consumed_quantity", DECIMAL),
    ("resourceRate", "resource_rate", DECIMAL),
    ("resourceLocation", "resource_location", TEXT),
    ("consumedService", "consumed_service", TEXT),
    ("instanceId", "instance_id", TEXT),
    ("serviceInfo1", "service_info1", TEXT),
    ("serviceInfo2", "service_info2", TEXT),
    ("additionalInfo", "additional_info", TEXT),
    ("tags", "tags", TEXT),
    ("storeServiceIdentifier", "store_service_identifier", TEXT),
    ("departmentName", "department_name", TEXT),
    ("costCenter", "cost_center", TEXT),
    ("unitOfMeasure", "unit_of_measure", TEXT),
    ("resourceGroup", "resource_group", TEXT),
]
BILLING_PERIODS = [
    ("billingPeriodId", "billing_period_id", TEXT),
    ("billingStart", "billing_start", INSTANT),
    ("billingEnd", "billing_end", INSTANT),
    ("balanceSummary", "balance_summary", TEXT),
    ("usageDetails", "usage_details", TEXT),
    ("marketplaceCharges", "marketplace_charges", TEXT),
    ("priceSheet", "price_sheet", TEXT),
]
MARKETPLACE_CHARGES = [
    ("id", "id", TEXT),
    ("subscriptionGuid", "subscription_guid", TEXT),
    ("subscriptionName", "subscription_name", TEXT),
    ("meterId", "meter_id", TEXT),
    ("usageStartDate", "usage_start_date", INSTANT),
    ("usageEndDate", "usage_end_date", INSTANT),
    ("offerName", "offer_name", TEXT),
    ("resourceGroup", "resource_group", TEXT),
    ("instanceId", "instance_id", TEXT),
    ("additionalInfo", "additional_info", TEXT),
    ("tags", "tags", TEXT),
    ("orderNumber", "order_number", TEXT),
    ("unitOfMeasure", "unit_of_measure", TEXT),
    ("costCenter", "cost_center", TEXT),
    ("accountId", "account_id", ID),
    ("accountName", "account_name", TEXT),
    ("accountOwnerId", "account_owner_id", TEXT),
    ("departmentId", "department_id", ID),
    ("departmentName", "department_name", TEXT),
    ("publisherName", "publisher_name", TEXT),
    ("planName", "plan_name", TEXT),
    ("consumedQuantity", "consumed_quantity", DECIMAL),
    ("resourceRate", "resource_rate", DECIMAL),
    ("extendedCost", "extended_cost", DECIMAL),
    ("isRecurringCharge", "is_recurring_charge", FLAG),
]
BALANCE_SUMMARY = [
    ("id", "id", TEXT),
    ("billingPeriodId", "billing_period_id", TEXT),
    ("currencyCode", "currency_code", TEXT),
    ("beginningBalance", "beginning_balance", DECIMAL),
    ("endingBalance", "ending_balance", DECIMAL),
    ("newPurchases", "new_purchases", DECIMAL),
    ("adjustments", "adjustments", DECIMAL),
    ("utilized", "utilized", DECIMAL),
    ("serviceOverage", "service_overage", DECIMAL),
    ("chargesBilledSeparately", "charges_billed_separately", DECIMAL),
    ("totalOverage", "total_overage", DECIMAL),
    ("totalUsage", "total_usage", DECIMAL),
    ("azureMarketplaceServiceCharges", "azure_marketplace_service_charges", DECIMAL),
    ("newPurchasesDetails", "new_purchases_details", AMOUNTS),
    ("adjustmentDetails", "adjustment_details", AMOUNTS),
]
PRICE_SHEET = [
    ("offerId", "offer_id", TEXT),
    ("id", "id", TEXT),
    ("billingPeriodId", "billing_period_id", TEXT),
    ("meterId", "meter_id", TEXT),
    ("meterName", "meter_name", TEXT),
    ("unitOfMeasure", "unit_of_measure", TEXT),
    ("includedQuantity", "included_quantity", DECIMAL),
    ("partNumber", "part_number", TEXT),
    ("unitPrice", "unit_price", DECIMAL),
    ("currencyCode", "currency_code", TEXT),
]
FIELDS = {
    "usage_details": USAGE_DETAILS,
    "billing_periods": BILLING_PERIODS,
    "marketplace_charges": MARKETPLACE_CHARGES,
    "balance_summary": BALANCE_SUMMARY,
    "price_sheet": PRICE_SHEET,
}
# The field in which rows of older versions repeat their enrollment, and the charge as they call it.
ENROLLMENT_FIELD = "enrollmentnumber"
OLDER_COST = "extendedcost"

EXACT = decimal.Context(prec=30_000, Emax=999_999, Emin=-999_999, rounding=decimal.ROUND_HALF_EVEN)
STEP = decimal.Decimal("1e-18")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)$")
DAY_AND_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
EPOCH = datetime.datetime(1970, 1, 1)
BLANK = re.compile(r"[ \t\r\n]*")
INVALID_BYTES = re.compile("[\udc80-\udcff]+")
SURROGATE = re.compile("[\ud800-\udfff]")


class PageError(Exception):
    """A page that must not be taken: `broken` when it is not JSON, `form` when it is no page of rows."""


class Rejected(Exception):
    """A value, or a row, that is refused."""


class Number(str):
    """A number that is not quoted, as its text."""


class Rows:
    """What a right reader holds after some pages."""

    def __init__(self, dataset="usage_details", enrollment=None):
        self.dataset = dataset
        self.fields = FIELDS[dataset]
        self.enrollment = enrollment
        self.by_name = {field.lower(): at for at, (field, _, _) in enumerate(self.fields)}
        self.is_usage = self.fields is USAGE_DETAILS
        if self.is_usage:
            self.by_name[OLDER_COST] = self.by_name["cost"]
        self.columns = [column for _, column, _ in self.fields] + ["extra"]
        self.rows = []
        self.rejected = []
        self.seen = 0
        names = {DECIMAL: "{}", AMOUNTS: "{}.value"}
        totals = [names[kind].format(column) for _, column, kind in self.fields if kind in names]
        self.text_sums = dict.fromkeys(totals, decimal.Decimal(0))
        self.published_sums = dict(self.text_sums)
        self.rounded_values = 0
        self.replaced_texts = 0
        self.duplicate_keys = 0
        self.unknown_fields = {}
        self.unknown_envelope_fields = {}

    def add(self, text, start=0):
        """Takes the row at `start` and returns where it ends."""
        if text[start : start + 1] != "{":
            _, end = scan(text, start)
            self.rejected.append((self.seen, None))
            self.seen += 1
            return end
        members, end = members_of(text, start)
        self.take(members)
        return end

    def reject(self, column):
        self.rejected.append((self.seen, column))
        self.seen += 1

    def take(self, members):
        """Takes a row by its members: name, name as sent, value, value as sent."""
        cells = [None] * (len(self.fields) + 1)
        last = {}
        named = {}
        unknown = []
        duplicates = 0
        for name, raw_name, value, raw in members:
            at = self.by_name.get(name.lower())
            if self.is_usage and name.lower() == ENROLLMENT_FIELD:
                if value not in (None, "", self.enrollment):
                    return self.reject("enrollment_number")
                continue
            if at is None:
                unknown.append((name, raw_name, raw))
                continue
            duplicates += at in last
            if named.setdefault(at, name.lower()) != name.lower():
                # Another name of the same amount: nothing takes nothing away, and two amounts are not one.
                _, column, kind = self.fields[at]
                try:
                    before, now = cell_of(kind, *last[at]), cell_of(kind, value, raw)
                except Rejected:
                    return self.reject(column)
                if now is None:
                    continue
                if before is not None:
                    if before[1] != now[1]:
                        return self.reject(column)
                    continue
            last[at] = (value, raw)
        rounded, replaced, sums = 0, 0, []
        for at, (value, raw) in last.items():
            _, column, kind = self.fields[at]
            try:
                cell = cell_of(kind, value, raw)
            except Rejected:
                return self.reject(column)
            if kind == AMOUNTS and cell is not None:
                cell, elements, has_more = cell
                sums.extend((f"{column}.value", text_value, published) for text_value, published in elements)
                rounded += sum(text_value != published for text_value, published in elements)
                if has_more:
                    name = self.fields[at][0]
                    unknown.append((name, name, raw))
            elif kind == DECIMAL and cell is not None:
                sums.append((column, cell[0], cell[1]))
                rounded += cell[0] != cell[1]
                cell = cell[1]
            elif kind == TEXT and cell is not None:
                replaced += cell[1]
                cell = cell[0]
            cells[at] = cell
        if unknown:
            extra = "{" + ",".join(f'"{raw_name}":{raw}' for _, raw_name, raw in unknown) + "}"
            cells[-1] = repaired(extra)
            replaced += cells[-1] != extra
        for column, text_value, published in sums:
            self.text_sums[column] = EXACT.add(self.text_sums[column], text_value)
            self.published_sums[column] = EXACT.add(self.published_sums[column], published)
        for name in {name for name, _, _ in unknown}:
            self.unknown_fields[name] = self.unknown_fields.get(name, 0) + 1
        self.rounded_values += rounded
        self.replaced_texts += replaced
        self.duplicate_keys += duplicates
        self.seen += 1
        self.rows.append(cells)
        return None

    def residue(self, column):
        return EXACT.subtract(self.text_sums[column], self.published_sums[column])

    def column(self, name):
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


def read_page(body, rows):
    """Takes a page of usage details and returns the address of the next one."""
    text = text_of_page(body)
    start = BLANK.match(text).end()
    if text[start] != "{":
        scan(text, start)
        raise PageError("form")
    members, end = members_of(text, start)
    if BLANK.match(text, end).end() != len(text):
        raise PageError("broken")
    data = [raw for name, _, _, raw in members if name.lower() == "data"]
    links = [value for name, _, value, _ in members if name.lower() == "nextlink"]
    if len(data) != 1 or not data[0].startswith("[") or any(isinstance(link, (Number, bool, list, dict)) for link in links):
        raise PageError("form")
    for name, _, _, _ in members:
        if name.lower() not in ("id", "reportid", "data", "nextlink"):
            rows.unknown_envelope_fields[name] = rows.unknown_envelope_fields.get(name, 0) + 1
    read_elements(data[0], 0, rows)
    return (links or [None])[-1] or None


def read_array(body, rows):
    """Takes a page that is an array of rows."""
    text = text_of_page(body)
    start = BLANK.match(text).end()
    if text[start] != "[":
        raise PageError("form")
    read_elements(text, start, rows)


def read_one(body, rows):
    """Takes a page that is one row, or an array of one."""
    text = text_of_page(body)
    start = BLANK.match(text).end()
    value, end = scan(text, start)
    if BLANK.match(text, end).end() != len(text):
        raise PageError("broken")
    if isinstance(value, list) and len(value) == 1:
        return read_elements(text, start, rows)
    if not isinstance(value, dict):
        raise PageError("form")
    rows.add(text, start)


def read_list(body, rows):
    """Takes a page that is an array of rows, or an object with them in `data`."""
    if text_of_page(body).lstrip(" \t\r\n").startswith("{"):
        return read_page(body, rows)
    return read_array(body, rows)


def read_ndjson(body, rows):
    """Takes rows one behind the other."""
    text = body.decode("utf-8", "surrogateescape")
    at = BLANK.match(text).end()
    while at < len(text):
        at = BLANK.match(text, rows.add(text, at)).end()


def text_of_page(body):
    text = body.decode("utf-8", "surrogateescape")
    if not text.strip(" \t\r\n"):
        raise PageError("broken")
    return text


def read_elements(text, at, rows):
    at = BLANK.match(text, at + 1).end()
    if text[at] == "]":
        return
    while True:
        at = BLANK.match(text, rows.add(text, at)).end()
        if text[at] == "]":
            return
        at = BLANK.match(text, at + 1).end()


def no_constant(_):
    raise PageError("broken")


SCANNER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=no_constant)


def scan(text, at):
    """The value at `at` and where it ends."""
    try:
        return SCANNER.raw_decode(text, at)
    except json.JSONDecodeError:
        raise PageError("broken") from None


def members_of(text, start):
    """The members of the object at `start` as (name, name as sent, value, value as sent), and where it ends."""
    found = []
    _, end = scan(text, start)
    at = BLANK.match(text, start + 1).end()
    while text[at] != "}":
        name, after = scan(text, at)
        raw_name = text[at + 1 : after - 1]
        at = BLANK.match(text, after).end() + 1
        at = BLANK.match(text, at).end()
        value, after = scan(text, at)
        found.append((name, raw_name, value, text[at:after]))
        at = BLANK.match(text, after).end()
        if text[at] == ",":
            at = BLANK.match(text, at + 1).end()
    return found, end


def cell_of(kind, value, raw):
    """A value by the table: None, or (exact, published) for decimals, (text, replaced) for texts, the value else."""
    if value is None:
        return None
    if kind == TEXT:
        return text_of(value, raw)
    if kind == AMOUNTS:
        return amounts_of(value, raw)
    if value == "" and not isinstance(value, Number):
        return None
    if isinstance(value, (list, dict)):
        raise Rejected
    if kind == FLAG:
        return flag_of(value)
    if isinstance(value, bool):
        raise Rejected
    if kind == DECIMAL:
        return decimal_of(value)
    if kind == ID:
        return id_of(value)
    if isinstance(value, Number):
        raise Rejected
    micros = instant_of(value)
    return (EPOCH + datetime.timedelta(microseconds=micros)).date() if kind == DATE else micros


def repaired(text):
    """The text with what is no UTF-8 replaced."""
    return INVALID_BYTES.sub(lambda run: run.group().encode("utf-8", "surrogateescape").decode("utf-8", "replace"), text)


def text_of(value, raw):
    if isinstance(value, str) and not isinstance(value, Number):
        text = SURROGATE.sub("\ufffd", json.loads(repaired(raw), strict=True))
        return text, text != value
    return raw, False


def amounts_of(value, raw):
    """A list of named amounts: its elements, (exact, published) of each value, and whether elements have more members."""
    if value == "" and not isinstance(value, Number):
        return None
    if not isinstance(value, list) or not all(isinstance(element, dict) for element in value):
        raise Rejected
    cells, values, has_more = [], [], False
    at = BLANK.match(raw, 1).end()
    while raw[at] != "]":
        members, end = members_of(raw, at)
        last = {name.lower(): (member, sent) for name, _, member, sent in members}
        name, _ = cell_of(TEXT, *last.get("name", (None, None))) or (None, False)
        amount = cell_of(DECIMAL, *last.get("value", (None, None)))
        values.extend([amount] if amount else [])
        cells.append({"name": name, "value": plain(amount[1]) if amount else None})
        has_more |= bool(last.keys() - {"name", "value"})
        at = BLANK.match(raw, end).end()
        at = BLANK.match(raw, at + 1).end() if raw[at] == "," else at
    return cells, values, has_more


def flag_of(value):
    word = str(value).lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    raise Rejected


def exact_of(text):
    if len(text) > 1024 or not NUMBER.fullmatch(text):
        raise Rejected
    exponent = EXPONENT.search(text)
    if exponent and abs(int(exponent[1])) > 10_000:
        raise Rejected
    return EXACT.create_decimal(text)


def decimal_of(text):
    exact = exact_of(text)
    published = exact.quantize(STEP, context=EXACT)
    if published.copy_abs() >= 10**20:
        raise Rejected
    return exact, published


def id_of(text):
    exact = exact_of(text)
    if exact != exact.to_integral_value(context=EXACT) or not -(2**63) <= exact < 2**63:
        raise Rejected
    return int(exact)


def instant_of(text):
    """Microseconds since 1970."""
    form = DAY_AND_TIME.fullmatch(text)
    if not form:
        raise Rejected
    year, month, day, hour, minute, second = (int(part or 0) for part in form.groups()[:6])
    fraction, zone = form[7] or "", form[8]
    if year < 1900:
        raise Rejected
    try:
        at = datetime.datetime(year, month, day, hour, minute, second, int(fraction[:6].ljust(6, "0")))
        if zone and zone != "Z":
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            offset = datetime.timedelta(hours=hours, minutes=minutes)
            at = at + offset if zone[0] == "-" else at - offset
    except (ValueError, OverflowError):
        raise Rejected from None
    return (at - EPOCH) // datetime.timedelta(microseconds=1)


def as_text(kind, cell):
    """A cell as the golden expectations write it."""
    if cell is None or kind in (TEXT, AMOUNTS):
        return cell
    if kind == FLAG:
        return "true" if cell else "false"
    if kind == DECIMAL:
        return plain(cell)
    if kind == INSTANT:
        at = EPOCH + datetime.timedelta(microseconds=cell)
        text = at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{at.microsecond:06}".rstrip("0") if at.microsecond else "")
        return text + "Z"
    return str(cell)


def plain(value):
    """A decimal without exponent, without zeros at the end; zero is 0."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
