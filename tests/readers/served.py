"""What a whole lake must hold, by the pages as served: all datasets, read by plain_reading.py and summed with decimal."""

import decimal
import json

import plain_reading
from plain_reading import DATE, DECIMAL, EXACT, INSTANT, MAP, TEXT, Rows

# What follows the fields in each file.
OWN = [("extra", TEXT), ("enrollment_number", TEXT), ("billing_month", DATE)]
# The column that comes from the folder below the enrollment's.
WINDOWS = {"billing_periods": None, "usage_details_by_date": "date_range", "marketplace_charges_by_date": "date_range"}
# Where rows have a quantity and a rate.
MULTIPLIED = ("usage_details", "marketplace_charges")


class Table:
    """A dataset as it must be: columns, rows, and sums of all of its slices."""

    def __init__(self, name):
        self.name = name
        self.window = WINDOWS.get(name, "billing_period")
        self.partitions = ["enrollment"] + [self.window] * bool(self.window)
        fields = [(column, kind) for _, column, kind in plain_reading.FIELDS[name.removesuffix("_by_date")]]
        maps = [("tags_map", MAP)] * any(column == "tags" for column, _ in fields)
        self.kinds = fields + maps + OWN
        self.decimals = [column for column, kind in fields if kind == DECIMAL]
        self.is_multiplied = name.removesuffix("_by_date") in MULTIPLIED
        self.slices = {}  # (enrollment, window): Rows

    def columns(self, kind):
        return [column for column, its in self.kinds if its == kind]

    @property
    def rows(self):
        return sum(len(rows.rows) for rows in self.slices.values())

    def rows_of(self, **wanted):
        """How many rows these enrollments, or these windows, have."""
        enrollments, windows = wanted.get("enrollments"), wanted.get("windows")
        is_wanted = lambda key: (not enrollments or key[0] in enrollments) and (not windows or key[1] in windows)
        return sum(len(rows.rows) for key, rows in self.slices.items() if is_wanted(key))

    def sum(self, column, enrollment=None):
        """The exact sum of what must be published; `column.value` is that of a list of amounts."""
        mine = [rows for key, rows in self.slices.items() if enrollment in (None, key[0])]
        return exact_sum(rows.published_sums[column] for rows in mine)

    def sums(self, enrollment=None):
        return {column: self.sum(column, enrollment) for column in self.decimals}

    def products(self):
        """The exact sum of quantity times rate."""
        pairs = zip(self.values("consumed_quantity"), self.values("resource_rate"))
        return exact_sum(EXACT.multiply(quantity, rate) for quantity, rate in pairs if None not in (quantity, rate))

    def values(self, column):
        return [value for rows in self.slices.values() for value in rows.column(column)]

    def amounts(self, column):
        """(enrollment, window, name, value) of all amounts of a list, sorted."""
        keyed = ((key, cell) for key, rows in self.slices.items() for cell in rows.column(column))
        return sorted((*key, amount["name"], amount["value"]) for key, cell in keyed for amount in cell or [])

    def tags(self):
        """(key, value) of all tags that can be read, sorted."""
        return sorted(item for text in self.values("tags") for item in (tags_of(text) or {}).items())

    def has_all(self):
        """Whether there is something to be wrong about in each slice."""
        return bool(self.slices) and all(rows.rows and not rows.rejected for rows in self.slices.values())


def exact_sum(values):
    total = decimal.Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total


def tags_of(text):
    """Tags as JSON has them, with or without the outer braces; None when there are none."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return json.loads("{" + text + "}")


def read_all(service, enrollments, periods, dates):
    """Every dataset by its name, for these enrollments, billing periods `yyyy-MM` and one range of dates."""
    first, last = dates
    tables = {}

    def take(name, enrollment, window, path, read, version=2, chained=False):
        url = f"/v{version}/enrollments/{enrollment}/{path}"
        bodies = service.chain(url)[0] if chained else [service.ask(url)[0]]
        table = tables.setdefault(name, Table(name))
        rows = table.slices[enrollment, window] = Rows(name.removesuffix("_by_date"), enrollment)
        for body in bodies:
            read(body, rows)

    by_date, dates_of = f"bycustomdate?startTime={first}&endTime={last}", f"{first}_{last}"
    for enrollment in enrollments:
        take("billing_periods", enrollment, None, "billingperiods", plain_reading.read_array)
        for period in periods:
            of = f"billingPeriods/{period.replace('-', '')}"
            take("price_sheet", enrollment, period, f"{of}/pricesheet", plain_reading.read_array)
            take("balance_summary", enrollment, period, f"{of}/balancesummary", plain_reading.read_one)
            take("marketplace_charges", enrollment, period, f"{of}/marketplacecharges", plain_reading.read_list)
            take("usage_details", enrollment, period, f"{of}/usagedetails", plain_reading.read_page, 3, True)
        take("marketplace_charges_by_date", enrollment, dates_of, f"marketplacecharges{by_date}", plain_reading.read_list)
        take("usage_details_by_date", enrollment, dates_of, f"usagedetails{by_date}", plain_reading.read_page, 3, True)
    return tables


def instants(table):
    """Microseconds since 1970 of each column of instants, sorted."""
    return {column: sorted(table.values(column)) for column in table.columns(INSTANT)}
