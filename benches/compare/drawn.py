"""Writes a bill that shares nothing with the simulator, so that a layout that suits its rows is not the only one measured.

296 subscriptions hold 20,768 resources; each row of a day pairs a resource with one of 3,000 meters, both drawn at
random, so a resource tells nothing of a meter. From day to day 3 % of the rows are drawn anew, 1 % are missing, 1 %
change places with their neighbours, and 35 % have the same quantity each day. Like the service, it writes 40 fields
in one order, without spaces.
"""

import json
import pathlib
import random
from typing import Any

METERS, SUBSCRIPTIONS, RESOURCES, DAYS = 3_000, 296, 20_768, 30
DRAWN_ANEW, MISSING, CHANGED_PLACES, CONSTANT = 0.03, 0.01, 0.01, 0.35
PAGE_ROWS = 1_000
HEAD, TAIL = '{"id":"drawn","data":[', '],"nextLink":null}'

Fields = dict[str, Any]


class Drawn:
    """Meters, subscriptions and resources, and rows of them. The same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.meters = [self.meter(number) for number in range(METERS)]
        subscriptions = [self.subscription(number) for number in range(SUBSCRIPTIONS)]
        self.resources = [self.resource(number, subscriptions) for number in range(RESOURCES)]

    def digits(self, count: int) -> str:
        """So many hexadecimal digits."""
        return f"{self.random.getrandbits(4 * count):0{count}x}"

    def guid(self) -> str:
        """A GUID."""
        return "-".join(self.digits(count) for count in (8, 4, 4, 4, 12))

    def meter(self, number: int) -> Fields:
        """What a meter says of a row."""
        draw = self.random
        category = f"Category {draw.randrange(40)}"
        tier = f"{category} Tier {draw.randrange(6)}"
        region = draw.choice(("EU West", "US East 2", "UK South", "AP Southeast", "JA East", ""))
        name = draw.choice(("LRS Data Stored", "Compute Hours", "Data Transfer Out (GB)", "Disk Read Operations", "vCore"))
        meter = self.guid()
        return {
            "serviceName": category,
            "serviceTier": tier,
            "location": region,
            "partNumber": f"{draw.choice('NPTQ')}{draw.randint(1, 9)}H-{draw.randint(10_000, 99_999)}",
            "resourceGuid": meter,
            "productId": draw.randint(100_000, 999_999),
            "resourceLocationId": draw.randint(1, 60),
            "consumedServiceId": draw.randint(1, 30),
            "product": f"{category} - {tier} - {name} {number % 97} - {region}",
            "meterId": meter,
            "meterCategory": category,
            "meterSubCategory": tier,
            "meterRegion": region,
            "meterName": f"{name} {number % 97}",
            "resourceRate": f"{draw.random() * draw.choice((0.001, 0.1, 1, 30)):.15f}",
            "resourceLocation": region.replace(" ", "").lower(),
            "consumedService": "Microsoft." + category.replace(" ", ""),
            "unitOfMeasure": draw.choice(("1 Hour", "100 Hours", "1 GB", "10,000s", "1/Month")),
        }

    def subscription(self, number: int) -> Fields:
        """What a subscription says of a row."""
        draw = self.random
        return {
            "accountId": draw.randint(1_000, 1_040),
            "departmentId": draw.randint(1, 20),
            "accountOwnerEmail": f"owner{number % 37}@contoso.com",
            "accountName": f"Account {number % 37}",
            "subscriptionGuid": self.guid(),
            "subscriptionName": f"Subscription {number} Production",
            "departmentName": f"Department {number % 20}",
            "costCenter": draw.choice(("", f"CC-{number % 50}")),
        }

    def resource(self, number: int, subscriptions: list[Fields]) -> Fields:
        """What a resource says of a row, with what its subscription does."""
        draw = self.random
        subscription = draw.choice(subscriptions)
        group = f"rg-{draw.choice(('app', 'data', 'net', 'shared'))}-{number % 613}"
        kind = draw.choice(("Compute/virtualMachines", "Storage/storageAccounts", "Sql/servers/databases"))
        scope = f"/subscriptions/{subscription['subscriptionGuid']}/resourceGroups/{group}"
        image = {"ImageType": "Canonical", "ServiceType": f"Standard_D{number % 16}s_v3", "VMName": None}
        tags = {"env": draw.choice(("prod", "dev")), "owner": f"team{number % 83}", "costcenter": str(number % 211)}
        return subscription | {
            "instanceId": f"{scope}/providers/Microsoft.{kind}/res{self.digits(8)}{number}",
            "additionalInfo": draw.choice(("", json.dumps(image))),
            "tags": draw.choice(("", "{}", json.dumps(tags))),
            "resourceGroup": group,
        }

    def pair(self) -> Fields:
        """A resource and a meter."""
        return self.random.choice(self.resources) | self.random.choice(self.meters)


def row(pair: Fields, day: int, quantity: str) -> str:
    """The text of a row. Money is written as it is, without a way over binary numbers."""
    fields = {
        "serviceName": "", "serviceTier": "", "location": "", "chargesBilledSeparately": False, "partNumber": "",
        "resourceGuid": "", "offerId": "MS-AZR-0017P", "cost": f"{float(quantity) * float(pair['resourceRate']):.15f}",
        "accountId": 0, "productId": 0, "resourceLocationId": 0, "consumedServiceId": 0, "departmentId": 0,
        "accountOwnerEmail": "", "accountName": "", "serviceAdministratorId": "", "subscriptionId": 0,
        "subscriptionGuid": "", "subscriptionName": "", "date": f"2024-11-{day:02}T00:00:00", "product": "",
        "meterId": "", "meterCategory": "", "meterSubCategory": "", "meterRegion": "", "meterName": "",
        "consumedQuantity": quantity, "resourceRate": "", "resourceLocation": "", "consumedService": "",
        "instanceId": "", "serviceInfo1": "", "serviceInfo2": "", "additionalInfo": "", "tags": "",
        "storeServiceIdentifier": "", "departmentName": "", "costCenter": "", "unitOfMeasure": "", "resourceGroup": "",
    }  # fmt: skip
    fields |= pair
    money = ("cost", "consumedQuantity", "resourceRate")
    texts = (value if name in money else json.dumps(value) for name, value in fields.items())
    return "{" + ",".join(f'"{name}":{text}' for name, text in zip(fields, texts, strict=True)) + "}"


def own(pair: Fields, number: int) -> Fields:
    """A pair whose resource has an id, tags and additional information of its own."""
    return pair | {
        "instanceId": f"{pair['instanceId']}/runs/{number}",
        "additionalInfo": json.dumps({"run": f"{number * 2_654_435_761 % 2**32:08x}"}),
        "tags": json.dumps({"ticket": f"T-{number * 40_503 % 999_983}-{number}"}),
    }


def rows_of_month(drawn: Drawn, count: int, unique: bool) -> list[str]:
    """So many rows, day by day."""
    draw = drawn.random
    # A few rows more a day than needed, since some are missing.
    a_day = count * 103 // (100 * DAYS) + 1
    pairs = [(drawn.pair(), draw.random() < CONSTANT, f"{draw.random() * 1000:.6f}") for _ in range(a_day)]
    rows: list[str] = []
    for day in range(1, DAYS + 1):
        order = list(range(a_day))
        for at in range(a_day - 1):
            if draw.random() < CHANGED_PLACES:
                order[at], order[at + 1] = order[at + 1], order[at]
        for at in order:
            pair, constant, quantity = pairs[at]
            if draw.random() >= MISSING:
                shown = quantity if constant else f"{draw.random() * 24:.{draw.randint(1, 9)}f}"
                rows.append(row(own(pair, len(rows)) if unique else pair, day, shown))
        for at in draw.sample(range(a_day), int(a_day * DRAWN_ANEW)):
            pairs[at] = (drawn.pair(), draw.random() < CONSTANT, f"{draw.random() * 1000:.6f}")
    assert len(rows) >= count, f"{len(rows)} rows, {count} asked for"
    return rows[:count]


def write_pages(folder: pathlib.Path, count: int, order: str) -> None:
    """Writes pages of `count` rows of November 2024 into `folder`: `repeating` from day to day, the same `shuffled`, or
    with something `unique` in each row."""
    drawn = Drawn(4_711)
    rows = rows_of_month(drawn, count, order == "unique")
    if order == "shuffled":
        drawn.random.shuffle(rows)
    folder.mkdir(parents=True)
    for start in range(0, count, PAGE_ROWS):
        page = HEAD + ",".join(rows[start : start + PAGE_ROWS]) + TAIL
        (folder / f"{start // PAGE_ROWS:06}.json").write_text(page)
