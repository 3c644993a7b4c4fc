"""Spark: a dataset as a folder, and by the tables and views that `schema --engine spark` prints.

Spark starts once, with two threads, a catalog in memory, and a session in another zone than UTC.
"""

import decimal
import os
import shutil

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

import served
from checks import check, equal, raises
from plain_reading import AMOUNTS, DATE, DECIMAL, FLAG, ID, INSTANT, MAP, TEXT, plain
from reads_duckdb import MONEY, NARROW

TYPES = {
    TEXT: "string",
    DECIMAL: "decimal(38,18)",
    ID: "bigint",
    DATE: "date",
    INSTANT: "timestamp",
    FLAG: "boolean",
    AMOUNTS: "array<struct<name:string,value:decimal(38,18)>>",
    MAP: "map<string,string>",
}
PRODUCT = "decimal(38,21)"


def started(work):
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": work / "spark",
        "spark.sql.warehouse.dir": work / "warehouse",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "America/New_York",
    }
    builder = SparkSession.builder.master("local[2]").appName("readers")
    for name, value in settings.items():
        builder = builder.config(name, str(value))
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def run(spark, printed):
    """The printed statements, one after the other."""
    for statement in printed.split(";\n"):
        if statement.strip():
            spark.sql(statement)


def types_of(table):
    return [(name, TYPES[kind]) for name, kind in table.kinds] + [(name, "string") for name in table.partitions]


def check_totals(what, frame, table):
    row = frame.agg(f.count("*"), *(f.sum(column) for column in table.decimals)).first()
    equal(f"{what}: rows", row[0], table.rows)
    for column, total in zip(table.decimals, row[1:]):
        equal(f"{what}: sum of {column}", plain(total), plain(table.sum(column)))


def check_nested(what, frame, table):
    for column in table.columns(AMOUNTS):
        rows = frame.select("enrollment_number", table.window, f.inline(column)).collect()
        got = sorted((*row[:3], plain(row[3])) for row in rows)
        check(f"{what}: {column}", got == table.amounts(column) and got, str(got)[:300])
    for column in table.columns(MAP):
        got = sorted(tuple(row) for row in frame.select(f.explode(column)).collect())
        check(f"{what}: {column}", got == table.tags() and got, f"{len(got)} entries, {len(table.tags())} served")


def check_instants(what, frame, table):
    """The same instants, and the clock of the session's zone."""
    for column, instants in served.instants(table).items():
        got = sorted(row[0] for row in frame.select(f.unix_micros(column)).collect())
        check(f"{what}: instants of {column}", got == instants and instants)
    if table.name == "billing_periods":
        clock = frame.select(f.date_format(f.min("billing_start"), "yyyy-MM-dd HH:mm")).first()[0]
        equal(f"{what}: midnight in UTC as New York has it", clock, "2023-12-31 19:00")


def files_read(frame):
    """How many files a query opened, its first value, and its plan."""
    first = frame.collect()[0][0]
    leaves = frame._jdf.queryExecution().executedPlan().collectLeaves()
    scans = [leaves.apply(at) for at in range(leaves.size())]
    numbers = [scan.metrics().apply("numFiles").value() for scan in scans]
    return numbers, first, frame._jdf.queryExecution().executedPlan().toString()


def check_pruning(what, frame, lakes):
    usage, periods = lakes.tables["usage_details"], lakes.periods
    cases = {
        f"billing_period = '{periods[1]}'": (3, usage.rows_of(windows=periods[1:2])),
        f"billing_period >= '{periods[1]}'": (6, usage.rows_of(windows=periods[1:])),
        f"billing_period IN ('{periods[0]}', '{periods[2]}')": (6, usage.rows_of(windows=periods[::2])),
        "billing_period LIKE '%-03'": (3, usage.rows_of(windows=periods[2:])),
        "enrollment = '0012345'": (3, usage.rows_of(enrollments=["0012345"])),
        f"enrollment = '100' AND billing_period = '{periods[1]}'": (1, usage.rows_of(enrollments=["100"], windows=periods[1:2])),
    }
    # A plan that stays as it is made can be asked what it scanned.
    spark = frame.sparkSession
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    for condition, (number, rows) in cases.items():
        numbers, got, plan = files_read(frame.where(condition).agg(f.count("cost")))
        equal(f"{what}: {condition}: files and rows", (numbers, got), ([number], rows))
        filters = plan.split("PartitionFilters: [")[1].split("], PushedFilters")[0]
        check(f"{what}: {condition}: is a filter of folders", condition.split()[0] in filters, filters)
    spark.conf.set("spark.sql.adaptive.enabled", "true")


def check_defaults(spark, lakes):
    for table in lakes.tables.values():
        what, frame = f"Spark, {table.name} as a folder", spark.read.parquet(str(lakes.whole / table.name))
        equal(f"{what}: columns", frame.dtypes, types_of(table))
        check_totals(what, frame, table)
        check_nested(what, frame, table)
        check_instants(what, frame, table)
    usage, frame = lakes.tables["usage_details"], spark.read.parquet(str(lakes.whole / "usage_details"))
    check_pruning("Spark, a folder", frame, lakes)
    got = [(row[0], row[1], plain(row[2])) for row in frame.groupBy("enrollment_number").agg(f.count("*"), f.sum("cost")).collect()]
    wanted = [(number, usage.rows_of(enrollments=[number]), plain(usage.sum("cost", number))) for number in lakes.enrollments]
    equal("Spark: rows by enrollment_number", sorted(got), sorted(wanted))
    for lake, values in ((lakes.numbers, [100, 12345]), (lakes.lone, [100])):
        part = spark.read.parquet(str(lake / "usage_details")).select("enrollment", "billing_period")
        equal(f"Spark, {lake.name}: types", part.dtypes, [("enrollment", "int"), ("billing_period", "string")])
        equal(f"Spark, {lake.name}: enrollments", sorted(row[0] for row in part.select("enrollment").distinct().collect()), values)
    declared = spark.read.schema(frame.schema).parquet(str(lakes.numbers / "usage_details"))
    equal("Spark, declared as text", declared.where("enrollment = '0012345'").count(), usage.rows_of(enrollments=["0012345"]))
    product = frame.select(f.sum(f.expr("consumed_quantity * resource_rate")))
    equal("Spark: the type of a product of two DECIMAL(38,18)", product.dtypes[0][1], "decimal(38,6)")
    check("Spark: such products are rounded", plain(product.first()[0]) != plain(usage.products()))
    mixed = spark.read.parquet(str(lakes.mixed / "usage_details"))
    check("Spark, mixed shapes: a column is gone", "tags_map" not in mixed.columns and mixed.count())


def check_tables(spark, lakes):
    spark.sql("CREATE DATABASE whole")
    spark.sql("USE whole")
    run(spark, lakes.printed("spark", lakes.whole, "--tags-map"))
    for table in lakes.tables.values():
        what, frame = f"Spark, table {table.name}", spark.table(table.name)
        equal(f"{what}: columns", frame.dtypes, types_of(table))
        check_totals(what, frame, table)
        check_nested(what, frame, table)
        check_instants(what, frame, table)
        if not table.decimals:
            continue
        narrow_of = lambda name: NARROW.get(name, MONEY).lower()
        columns = [(name, narrow_of(name) if kind == TYPES[DECIMAL] else kind) for name, kind in types_of(table)]
        product = [("quantity_times_rate", PRODUCT)] if table.is_multiplied else []
        narrow = spark.table(f"{table.name}_narrow")
        equal(f"{what}_narrow: columns", narrow.dtypes, columns + product)
        check_totals(f"{what}_narrow", narrow, table)
        if table.is_multiplied:
            got = narrow.select(f.sum("quantity_times_rate"), f.sum(f.expr("consumed_quantity * resource_rate"))).first()
            equal(f"{what}_narrow: exact products", [plain(total) for total in got], [plain(table.products())] * 2)
    for view in ("usage_details", "usage_details_narrow"):
        check_pruning(f"Spark, {view}", spark.table(view), lakes)
    factor = decimal.Decimal("1.083725")
    got = spark.sql(f"SELECT sum(cost * {factor}) FROM usage_details_narrow").first()[0]
    equal("Spark: narrow money times an exchange rate", plain(got), plain(lakes.tables["usage_details"].sum("cost") * factor))
    raises("Spark: a table is never replaced", lambda: run(spark, lakes.printed("spark", lakes.odd)), "ALREADY_EXISTS")


def check_odd_tables(spark, lakes):
    """A path in quotes, enrollments that are all numbers, and datasets that were never loaded."""
    spark.sql("CREATE DATABASE odd")
    spark.sql("USE odd")
    for table in lakes.tables.values():
        text = lakes.printed("spark", lakes.odd, table.name)
        if table.name.endswith("_by_date"):
            raises(f"Spark, odd path, {table.name}: no folder", lambda: run(spark, text), "does not exist")
            continue
        run(spark, text)
        got = [tuple(row) for row in spark.table(table.name).groupBy("enrollment").count().orderBy("enrollment").collect()]
        wanted = [(number, table.rows_of(enrollments=[number])) for number in sorted(lakes.numbers_of)]
        equal(f"Spark, odd path, {table.name}: rows by enrollment as text", got, wanted)


def check_repair(spark, lakes):
    """A table meets new periods and replaced ones when it is repaired, and its files outlive it."""
    spark.sql("CREATE DATABASE growing")
    spark.sql("USE growing")
    usage, lake = lakes.tables["usage_details"], lakes.work / "growing"
    old, new = (f"usage_details/enrollment=100/billing_period={period}" for period in lakes.periods[:2])
    shutil.copytree(lakes.whole / old, lake / old)
    printed = lakes.printed("spark", lake, "usage_details", "--tags-map")
    run(spark, printed)
    cost = lambda: spark.sql("SELECT count(cost) FROM usage_details").first()[0]
    equal("Spark, a growing lake: one period", cost(), usage.rows_of(enrollments=["100"], windows=lakes.periods[:1]))
    shutil.copytree(lakes.whole / new, lake / new)
    file = next((lake / old).iterdir())
    file.rename(file.with_name("data-0.parquet"))
    raises("Spark, a growing lake: a replaced file", cost, "does not exist")
    run(spark, next(line for line in printed.splitlines(True) if line.startswith("MSCK")))
    equal("Spark, a growing lake: two periods", cost(), usage.rows_of(enrollments=["100"], windows=lakes.periods[:2]))
    spark.sql("DROP TABLE usage_details")
    equal("Spark: files outlive their table", len(list(lake.rglob("*.parquet"))), 2)


def check_mixed(spark, lakes):
    """A table names its columns: what a file lacks is null."""
    spark.sql("CREATE DATABASE mixed")
    spark.sql("USE mixed")
    run(spark, lakes.printed("spark", lakes.mixed, "usage_details", "--tags-map"))
    maps = spark.sql("SELECT billing_period, count(tags_map) > 0 FROM usage_details GROUP BY 1 ORDER BY 1").collect()
    equal("Spark, mixed shapes in a table: maps", [tuple(row) for row in maps], list(zip(lakes.periods, (False, True, True))))


def check_digits(spark, lakes):
    """What does not fit into a narrow view is an error, and only where it is looked at; also without ANSI rules."""
    spark.sql("CREATE DATABASE digits")
    spark.sql("USE digits")
    run(spark, lakes.printed("spark", lakes.digits, "usage_details"))
    fits, *others = lakes.digits_of.items()
    quantity, rate, cost = map(decimal.Decimal, fits[1])
    for ansi in ("true", "false"):
        spark.conf.set("spark.sql.ansi.enabled", ansi)
        what, narrow = f"Spark, ANSI {ansi}", spark.table("usage_details_narrow")
        got = narrow.where(f"billing_period = '{fits[0]}'").select("quantity_times_rate", "cost").first()
        with decimal.localcontext(prec=60):
            equal(f"{what}: the widest values", [plain(value) for value in got], [plain(quantity * rate), plain(cost)])
        for period, values in others:
            rows = narrow.where(f"billing_period = '{period}'")
            equal(f"{what}, {values}: rows", rows.count(), 1)
            sums = lambda: rows.select(f.sum("quantity_times_rate"), f.sum("cost")).first()
            raises(f"{what}, {values}: an error", sums, "does not fit into DECIMAL(")
    spark.conf.unset("spark.sql.ansi.enabled")


def check_all(lakes):
    spark = started(lakes.work)
    try:
        check_defaults(spark, lakes)
        check_tables(spark, lakes)
        check_odd_tables(spark, lakes)
        check_repair(spark, lakes)
        check_mixed(spark, lakes)
        check_digits(spark, lakes)
    finally:
        spark.stop()
