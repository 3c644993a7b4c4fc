"""Polars: a dataset as a folder."""

import decimal
import re

import polars

import served
from checks import check, equal, raises
from plain_reading import AMOUNTS, DATE, DECIMAL, FLAG, ID, INSTANT, MAP, TEXT, plain

EXACT = polars.Decimal(38, 18)
TYPES = {
    TEXT: polars.String,
    DECIMAL: EXACT,
    ID: polars.Int64,
    DATE: polars.Date,
    INSTANT: polars.Datetime("us", "UTC"),
    FLAG: polars.Boolean,
    AMOUNTS: polars.List(polars.Struct({"name": polars.String, "value": EXACT})),
    MAP: polars.Map(polars.String, polars.String),
}
COST = polars.col("cost")


def opened(lake, dataset):
    return polars.scan_parquet(lake / dataset)


def check_totals(what, frame, table):
    sums = [polars.col(column).sum() for column in table.decimals]
    row = frame.select(polars.len().alias("rows"), *sums).collect().row(0, named=True)
    equal(f"{what}: rows", row["rows"], table.rows)
    for column in table.decimals:
        equal(f"{what}: sum of {column}", plain(row[column]), plain(table.sum(column)))


def check_nested(what, frame, table):
    for column in table.columns(AMOUNTS):
        long = frame.select("enrollment_number", table.window, column).explode(column).drop_nulls(column)
        got = sorted((*row[:2], row[2]["name"], plain(row[2]["value"])) for row in long.collect().iter_rows())
        check(f"{what}: {column}", got == table.amounts(column) and got, str(got)[:300])
    for column in table.columns(MAP):
        cells = frame.select(column).drop_nulls(column).collect()[column].to_list()
        got = sorted(item for cell in cells for item in cell.items())
        check(f"{what}: {column}", got == table.tags() and got, f"{len(got)} entries, {len(table.tags())} served")


def files_read(frame):
    """How many files are opened, by the plan."""
    scan = re.search(r"Parquet SCAN \[([^\]]*)\]", frame.explain()).group(1)
    more = re.search(r", \.\.\. (\d+) other", scan)
    return scan.count(".parquet") + (int(more.group(1)) if more else 0)


def check_pruning(lakes):
    usage, periods = lakes.tables["usage_details"], lakes.periods
    frame = opened(lakes.whole, "usage_details")
    equal("Polars: files without a filter", files_read(frame.select(COST)), len(usage.slices))
    period, enrollment = polars.col("billing_period"), polars.col("enrollment")
    cases = {
        "one period": (period == periods[1], 3, usage.rows_of(windows=periods[1:2])),
        "from a period on": (period >= periods[1], 6, usage.rows_of(windows=periods[1:])),
        "two periods": (period.is_in([periods[0], periods[2]]), 6, usage.rows_of(windows=periods[::2])),
        "one enrollment": (enrollment == "0012345", 3, usage.rows_of(enrollments=["0012345"])),
        "one slice": ((enrollment == "100") & (period == periods[1]), 1, usage.rows_of(enrollments=["100"], windows=periods[1:2])),
    }
    for what, (condition, number, rows) in cases.items():
        filtered = frame.filter(condition).select(COST.count())
        equal(f"Polars, {what}: files and rows", (files_read(filtered), filtered.collect().item()), (number, rows))


def check_folders(lakes):
    """What the names of folders are taken for."""
    for lake, kind, values in ((lakes.numbers, polars.Int64, [100, 12345]), (lakes.lone, polars.Int64, [100])):
        frame = opened(lake, "usage_details").select("enrollment", "billing_period").unique().collect()
        equal(f"Polars, {lake.name}: types", frame.dtypes, [kind, polars.String])
        equal(f"Polars, {lake.name}: enrollments", sorted(set(frame["enrollment"])), values)
    schema = {"enrollment": polars.String, "billing_period": polars.String}
    frame = polars.scan_parquet(lakes.numbers / "usage_details", hive_schema=schema)
    got = frame.group_by("enrollment").len().sort("enrollment").collect().rows()
    usage = lakes.tables["usage_details"]
    equal("Polars, declared as text", got, [(number, usage.rows_of(enrollments=[number])) for number in sorted(lakes.numbers_of)])


def check_products(lakes):
    usage = lakes.tables["usage_details"]
    frame = opened(lakes.whole, "usage_details")
    product = lambda kind: polars.col("consumed_quantity").cast(kind) * polars.col("resource_rate").cast(kind)
    row = frame.select(rounded=product(EXACT), exact=product(polars.Decimal(38, 21))).sum().collect()
    equal("Polars: the type of a product", row.dtypes, [EXACT, polars.Decimal(38, 21)])
    rounded, exact = row.row(0)
    equal("Polars: products with 21 decimals", plain(exact), plain(usage.products()))
    check("Polars: products with 18 decimals are rounded", plain(rounded) != plain(usage.products()))
    number = polars.Series([decimal.Decimal("0.0000001")], dtype=EXACT)
    equal("Polars: a cast rounds", number.cast(polars.Decimal(16, 6)).item(), 0)


def check_mixed(lakes):
    frame = opened(lakes.mixed, "usage_details")
    raises("Polars, mixed shapes", lambda: frame.select(COST.sum()).collect(), "tags_map")
    frame = polars.scan_parquet(lakes.mixed / "usage_details", missing_columns="insert", extra_columns="ignore")
    equal("Polars, mixed shapes asked for", frame.select(COST.sum()).collect().item(), lakes.tables["usage_details"].sum("cost", "100"))


def check_all(lakes):
    for table in lakes.tables.values():
        what, frame = f"Polars, {table.name}", opened(lakes.whole, table.name)
        wanted = [(name, TYPES[kind]) for name, kind in table.kinds] + [(name, polars.String) for name in table.partitions]
        equal(f"{what}: columns", list(frame.collect_schema().items()), wanted)
        check_totals(what, frame, table)
        check_nested(what, frame, table)
        for column, instants in served.instants(table).items():
            got = frame.select(polars.col(column).dt.convert_time_zone("America/New_York")).collect()[column]
            equal(f"{what}: the zone of {column}", got.dtype, polars.Datetime("us", "America/New_York"))
            check(f"{what}: instants of {column}", sorted(got.dt.epoch("us").to_list()) == instants and instants)
    usage = lakes.tables["usage_details"]
    for enrollment in lakes.enrollments:
        row = opened(lakes.whole, "usage_details").filter(polars.col("enrollment_number") == enrollment)
        rows, total = row.select(polars.len(), COST.sum()).collect().row(0)
        got = (rows, plain(total))
        equal(f"Polars: rows of {enrollment}", got, (usage.rows_of(enrollments=[enrollment]), plain(usage.sum("cost", enrollment))))
    check_pruning(lakes)
    check_folders(lakes)
    check_products(lakes)
    check_mixed(lakes)
