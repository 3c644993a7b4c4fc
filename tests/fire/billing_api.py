"""A second, independent billing API: two billing periods in two versions, counted in integers.

The key decides the version that is served: `serve-A` or `serve-B`. So one server serves any number of runs at once, and
holds no state. Each usage row carries its version in `serviceInfo1`; one row of each period has a cost that is no number
and must be rejected. `TRUTH[version][slice]` is what a lake must hold: rows, sum of cost, version.
"""

import http.server
import json
import threading

ENROLLMENT = "100"
PERIODS = ("202401", "202402")
VERSIONS = ("A", "B")
PAGES, PAGE_ROWS = 4, 300
DAYS = {"202401": 31, "202402": 29}
UNIT = 10**15  # cost is counted in units of 10^-15


def rows_of(period, version):
    """Version B has some rows more, so that no count is right by chance."""
    return PAGES * PAGE_ROWS - (0 if version == "B" else 17 + PERIODS.index(period))


def number(*parts):
    """The same 60 bits for the same parts everywhere."""
    value = 1469598103934665603
    for byte in "/".join(map(str, parts)).encode():
        value = (value ^ byte) * 1099511628211 % 2**64
    value ^= value >> 31
    return value * 0x9E3779B97F4A7C15 % 2**64 >> 4


def cost_of(period, version, at):
    """Units of 10^-15; one in seven is a refund."""
    units = number("cost", period, version, at) % (40 * UNIT)
    return -units // 3 if at % 7 == 3 else units


def plain(units, scale=UNIT):
    sign, units = ("-" if units < 0 else ""), abs(units)
    fraction = str(units % scale).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{sign}{units // scale}" + (f".{fraction}" if fraction else "")


def row(period, version, at):
    rejected = at == rows_of(period, version) - 1
    cost = '"twelve"' if rejected else plain(cost_of(period, version, at))
    group, machine = f"group-{at % 23}", f"vm-{number(version, at) % 10**9}"
    resource = f"/subscriptions/{number('s', at % 9):x}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{machine}"
    texts = {
        "serviceName": "Virtual Machines", "serviceTier": "Premium", "location": "EU West", "partNumber": f"P-{at % 50}",
        "resourceGuid": f"guid-{at % 50}", "offerId": "MS-AZR-0017P", "accountOwnerEmail": "owner@example.com",
        "accountName": "Account", "serviceAdministratorId": "admin@example.com", "subscriptionGuid": f"sub-{at % 9}",
        "subscriptionName": f"Subscription {at % 9}", "date": f"{period[:4]}-{period[4:]}-{at % DAYS[period] + 1:02}T00:00:00",
        "product": f"Product {at % 50}", "meterId": f"meter-{at % 50}", "meterCategory": "Virtual Machines",
        "meterSubCategory": "Dv3 Series", "meterRegion": "EU West", "meterName": f"D{at % 50} v3",
        "resourceLocation": "westeurope", "consumedService": "Microsoft.Compute", "instanceId": resource,
        "serviceInfo1": version, "serviceInfo2": "", "additionalInfo": json.dumps({"ImageType": f"image-{number('i', version, at)}"}),
        "tags": json.dumps({"team": f"team-{at % 11}", "job": f"{number('t', version, at):x}"}), "storeServiceIdentifier": "",
        "departmentName": "Department", "costCenter": f"CC-{at % 5}", "unitOfMeasure": "1 Hour", "resourceGroup": group,
    }  # fmt: skip
    parts = [f"{json.dumps(name)}:{json.dumps(text)}" for name, text in texts.items()]
    parts.append(f'"consumedQuantity":{plain(number("q", version, at) % 10**9, 10**6)}')
    parts.append(f'"resourceRate":{plain(number("r", at % 50) % UNIT)}')
    ids = ("accountId", "productId", "resourceLocationId", "consumedServiceId", "departmentId")
    parts += [f'"{name}":{number(name, at % 9) % 10**7}' for name in ids]
    parts += [f'"cost":{cost}', '"subscriptionId":0', '"chargesBilledSeparately":false']
    return "{" + ",".join(parts) + "}"


def etag(period, version):
    return f'"{number("etag", period, version):015x}"'


def periods(version):
    """The billing periods; version B says another last second."""
    second = VERSIONS.index(version)
    listed = []
    for period in reversed(PERIODS):
        links = {name: None for name in ("balanceSummary", "marketplaceCharges", "priceSheet")}
        links["usageDetails"] = f"/v1/enrollments/{ENROLLMENT}/billingperiods/{period}/usagedetails"
        first = f"{period[:4]}-{period[4:]}-01T00:00:00Z"
        last = f"{period[:4]}-{period[4:]}-{DAYS[period]}T11:59:5{second}Z"
        listed.append({"billingPeriodId": period, "billingStart": first, "billingEnd": last, **links})
    return json.dumps(listed).encode()


def truth():
    """What a lake must hold of each slice: rows, sum of cost as text, version."""
    held = {}
    for version in VERSIONS:
        held[version] = {"billing_periods": (len(PERIODS), None, version)}
        for period in PERIODS:
            rows = rows_of(period, version) - 1
            held[version][period] = (rows, plain(sum(cost_of(period, version, at) for at in range(rows))), version)
    return held


TRUTH = truth()


class Api:
    """The API on a free port of this machine, until `stop`. `before_page(version, period, page)` may take its time."""

    def __init__(self, before_page=None):
        self.before_page = before_page
        self.pages = {
            (period, version, page): self._rows(period, version, page)
            for period in PERIODS
            for version in VERSIONS
            for page in range(PAGES)
        }
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body leave in one piece, and nothing waits for an acknowledgement.
            wbufsize, disable_nagle_algorithm = -1, True

            def do_GET(self):
                status, headers, body = api.answer(self.path, self.headers)
                try:
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": len(body)}.items():
                        self.send_header(name, str(value))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the asker died, as it does all the time here

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def _rows(period, version, page):
        first, last = page * PAGE_ROWS, min((page + 1) * PAGE_ROWS, rows_of(period, version))
        return ",".join(row(period, version, at) for at in range(first, last))

    def answer(self, path, headers):
        path, _, query = path.partition("?")
        version = headers.get("Authorization", "").removeprefix("bearer serve-")
        if version not in VERSIONS:
            return 401, {}, b'{"error":{"code":"401","message":"no such key"}}'
        parts = path.lower().strip("/").split("/")
        kind = {"Content-Type": "application/json; charset=utf-8"}
        if parts == ["v2", "enrollments", ENROLLMENT, "billingperiods"]:
            return 200, kind, periods(version)
        above = ["v3", "enrollments", ENROLLMENT, "billingperiods"]
        if parts[:4] != above or parts[5:] != ["usagedetails"] or parts[4] not in PERIODS:
            return 404, {}, b'{"error":{"code":"404","message":"Unavailable"}}'
        period, tag = parts[4], etag(parts[4], version)
        page = int(query.removeprefix("skiptoken=") or 0)
        if headers.get("If-None-Match") == tag:
            return 304, {"ETag": tag}, b""
        if self.before_page:
            self.before_page(version, period, page)
        link = f"{self.endpoint}/v3/enrollments/{ENROLLMENT}/billingPeriods/{period}/usagedetails?skiptoken={page + 1}"
        following = json.dumps(link if page + 1 < PAGES else None)
        body = f'{{"id":"of {period}","data":[{self.pages[period, version, page]}],"nextLink":{following}}}'
        return 200, {**kind, "ETag": tag}, body.encode()
