"""DuckDB: a dataset by its files, and by the views that `schema --engine duckdb` prints."""

import decimal
import json

import duckdb

import served
from checks import check, equal, raises
from plain_reading import AMOUNTS, DATE, DECIMAL, FLAG, ID, INSTANT, MAP, TEXT, plain

TYPES = {
    TEXT: "VARCHAR",
    DECIMAL: "DECIMAL(38,18)",
    ID: "BIGINT",
    DATE: "DATE",
    INSTANT: "TIMESTAMP WITH TIME ZONE",
    FLAG: "BOOLEAN",
    AMOUNTS: 'STRUCT("name" VARCHAR, "value" DECIMAL(38,18))[]',
    MAP: "MAP(VARCHAR, VARCHAR)",
}
NARROW = {
    "consumed_quantity": "DECIMAL(16,6)",
    "included_quantity": "DECIMAL(16,6)",
    "resource_rate": "DECIMAL(21,15)",
    "unit_price": "DECIMAL(21,15)",
}
MONEY = "DECIMAL(28,18)"
PRODUCT = "DECIMAL(37,21)"


def files(lake, dataset):
    return f"read_parquet('{lake}/{dataset}/**/*.parquet')"


def opened(time_zone="UTC"):
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{time_zone}'")
    return connection


def one(connection, query):
    return connection.execute(query).fetchone()


def described(connection, source):
    rows = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    # Some versions quote the names within a type, some do not.
    return [(name, kind.replace('"', "")) for name, kind, *_ in rows]


def types_of(table):
    names = [(name, TYPES[kind].replace('"', "")) for name, kind in table.kinds]
    return names + [(name, "VARCHAR") for name in table.partitions]


def check_totals(what, connection, source, table):
    sums = ", ".join(f"sum({column})" for column in table.decimals) or "0"
    rows, *got = one(connection, f"SELECT count(*), {sums} FROM {source}")
    equal(f"{what}: rows", rows, table.rows)
    for column, total in zip(table.decimals, got):
        equal(f"{what}: sum of {column}", plain(total), plain(table.sum(column)))


def check_nested(what, connection, source, table):
    for column in table.columns(AMOUNTS):
        window = table.window
        query = f"SELECT enrollment_number, {window}, a.name, a.value FROM (SELECT *, unnest({column}) AS a FROM {source})"
        got = sorted((*row[:3], plain(row[3])) for row in connection.execute(query).fetchall())
        equal(f"{what}: {column}", got, table.amounts(column))
        check(f"{what}: {column} has amounts", got)
    for column in table.columns(MAP):
        query = f"SELECT unnest(map_entries({column})) AS e FROM {source} WHERE {column} IS NOT NULL"
        got = sorted((row[0]["key"], row[0]["value"]) for row in connection.execute(query).fetchall())
        check(f"{what}: {column}", got == table.tags() and got, f"{len(got)} entries, {len(table.tags())} served")


def files_read(connection, query):
    """How many files a query opens, as it says itself, and its first value."""
    profile = json.loads(connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").fetchall()[0][1])
    found = []

    def look(operator):
        found.extend(value for key, value in operator.get("extra_info", {}).items() if key == "Total Files Read")
        for child in operator.get("children", []):
            look(child)

    for operator in profile.get("operator", profile.get("children", [])):
        look(operator)
    return [int(number) for number in found], one(connection, query)[0]


def check_pruning(what, connection, source, lakes, table):
    enrollments, periods = len(lakes.enrollments), lakes.periods
    cases = {
        f"billing_period = '{periods[1]}'": (enrollments, table.rows_of(windows=periods[1:2])),
        f"billing_period >= '{periods[1]}'": (2 * enrollments, table.rows_of(windows=periods[1:])),
        f"billing_period IN ('{periods[0]}', '{periods[2]}')": (2 * enrollments, table.rows_of(windows=periods[::2])),
        "billing_period LIKE '%-03'": (enrollments, table.rows_of(windows=periods[2:])),
        "enrollment = '0012345'": (len(periods), table.rows_of(enrollments=["0012345"])),
        f"enrollment = '100' AND billing_period = '{periods[1]}'": (1, table.rows_of(enrollments=["100"], windows=periods[1:2])),
    }
    for condition, (number, rows) in cases.items():
        # The rows of one column, so that files have to be opened.
        query = f"SELECT count(cost) FROM {source} WHERE {condition}"
        equal(f"{what}: {condition}: files and rows", files_read(connection, query), ([number], rows))


def check_defaults(lakes):
    connection = opened()
    for table in lakes.tables.values():
        source, what = files(lakes.whole, table.name), f"DuckDB, {table.name} by its files"
        # The lake has an enrollment that is no number, so DuckDB takes the folders' names for text by itself; those
        # columns come in the order of the alphabet.
        of_files, of_folders = types_of(table)[: len(table.kinds)], types_of(table)[len(table.kinds) :]
        equal(f"{what}: columns", described(connection, source), of_files + sorted(of_folders))
        check_totals(what, connection, source, table)
        check_nested(what, connection, source, table)
    usage = lakes.tables["usage_details"]
    check_pruning("DuckDB, files", connection, files(lakes.whole, "usage_details"), lakes, usage)
    for enrollment in lakes.enrollments:
        query = f"SELECT count(*), sum(cost) FROM {files(lakes.whole, 'usage_details')} WHERE enrollment_number = '{enrollment}'"
        rows, total = one(connection, query)
        got = (rows, plain(total))
        equal(f"DuckDB: rows of {enrollment}", got, (usage.rows_of(enrollments=[enrollment]), plain(usage.sum("cost", enrollment))))
    for lake, kind, values in ((lakes.numbers, "VARCHAR", ["0012345", "100"]), (lakes.lone, "BIGINT", [100])):
        query = f"SELECT typeof(any_value(enrollment)), list_sort(list(DISTINCT enrollment)) FROM {files(lake, 'usage_details')}"
        equal(f"DuckDB, {lake.name}: enrollment", one(connection, query), (kind, values))
    product = f"SELECT sum(consumed_quantity * resource_rate) FROM {files(lakes.whole, 'usage_details')}"
    raises("DuckDB: a product of two DECIMAL(38,18)", lambda: one(connection, product), "Overflow in multiplication")


def check_instants(lakes):
    """The same instants, and the clock of the session's zone."""
    connection = opened("America/New_York")
    for name in ("billing_periods", "marketplace_charges"):
        for column, wanted in served.instants(lakes.tables[name]).items():
            rows = connection.execute(f"SELECT epoch_us({column}) FROM {files(lakes.whole, name)} ORDER BY 1").fetchall()
            check(f"DuckDB: instants of {column}", [row[0] for row in rows] == wanted and wanted)
    query = f"SELECT min(billing_start)::VARCHAR FROM {files(lakes.whole, 'billing_periods')}"
    equal("DuckDB: midnight in UTC as New York has it", one(connection, query)[0], "2023-12-31 19:00:00-05")


def check_views(lakes):
    connection = opened("America/New_York")
    connection.execute(lakes.printed("duckdb", lakes.whole, "--tags-map"))
    for table in lakes.tables.values():
        what = f"DuckDB, view {table.name}"
        equal(f"{what}: columns", described(connection, table.name), types_of(table))
        check_totals(what, connection, table.name, table)
        check_nested(what, connection, table.name, table)
        if not table.decimals:
            continue
        narrow = [(name, NARROW.get(name, MONEY) if kind == TYPES[DECIMAL] else kind) for name, kind in types_of(table)]
        product = [("quantity_times_rate", PRODUCT)] if table.is_multiplied else []
        equal(f"{what}_narrow: columns", described(connection, f"{table.name}_narrow"), narrow + product)
        check_totals(f"{what}_narrow", connection, f"{table.name}_narrow", table)
        if table.is_multiplied:
            got = one(connection, f"SELECT sum(quantity_times_rate), sum(consumed_quantity * resource_rate) FROM {table.name}_narrow")
            equal(f"{what}_narrow: exact products", [plain(total) for total in got], [plain(table.products())] * 2)
    usage = lakes.tables["usage_details"]
    for view in ("usage_details", "usage_details_narrow"):
        check_pruning(f"DuckDB, {view}", connection, view, lakes, usage)
    factor = decimal.Decimal("1.083725")
    got = one(connection, f"SELECT sum(cost * {factor}) FROM usage_details_narrow")[0]
    equal("DuckDB: narrow money times an exchange rate", plain(got), plain(usage.sum("cost") * factor))


def check_odd_views(lakes):
    """A path in quotes, enrollments that are all numbers, and datasets that were never loaded."""
    connection = opened()
    text = lakes.printed("duckdb", lakes.odd)
    raises("DuckDB: a dataset without files", lambda: connection.execute(text), "No files found", "marketplace_charges_by_date")
    views = {row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    loaded = [table for table in lakes.tables.values() if not table.name.endswith("_by_date")]
    equal("DuckDB, odd path: views", views, {t.name for t in loaded} | {f"{t.name}_narrow" for t in loaded if t.decimals})
    for table in loaded:
        rows = connection.execute(f"SELECT enrollment, count(*) FROM {table.name} GROUP BY ALL ORDER BY ALL").fetchall()
        wanted = [(number, table.rows_of(enrollments=[number])) for number in sorted(lakes.numbers_of)]
        equal(f"DuckDB, odd path, {table.name}: rows by enrollment as text", rows, wanted)


def check_lone_view(lakes):
    """A number alone stays the text that was declared, too."""
    connection = opened()
    connection.execute(lakes.printed("duckdb", lakes.lone, "usage_details", "--tags-map"))
    got = one(connection, "SELECT list(DISTINCT enrollment), any_value(typeof(billing_period)) FROM usage_details")
    equal("DuckDB, a lone number: enrollment as text", got, (["100"], "VARCHAR"))


def check_digits(lakes):
    """What does not fit into a narrow view is an error, and only where it is looked at."""
    connection = opened()
    connection.execute(lakes.printed("duckdb", lakes.digits, "usage_details"))
    fits, *others = lakes.digits_of.items()
    quantity, rate, cost = map(decimal.Decimal, fits[1])
    got = one(connection, f"SELECT quantity_times_rate, cost FROM usage_details_narrow WHERE billing_period = '{fits[0]}'")
    with decimal.localcontext(prec=60):
        equal("DuckDB: the widest values", [plain(value) for value in got], [plain(quantity * rate), plain(cost)])
    for period, values in others:
        condition = f"FROM usage_details_narrow WHERE billing_period = '{period}'"
        equal(f"DuckDB, {values}: rows", one(connection, f"SELECT count(*) {condition}"), (1,))
        query = f"SELECT sum(quantity_times_rate), sum(cost) {condition}"
        raises(f"DuckDB, {values}: an error", lambda: one(connection, query), "does not fit into DECIMAL(")


def check_mixed(lakes):
    connection = opened()
    names = [name for name, _ in described(connection, files(lakes.mixed, "usage_details"))]
    check("DuckDB takes the first file's columns for all", "tags_map" not in names)
    connection.execute(lakes.printed("duckdb", lakes.mixed, "usage_details"))
    equal("DuckDB: a view names what it wants", one(connection, "SELECT count(*) > 0 FROM usage_details"), (True,))
    text = lakes.printed("duckdb", lakes.mixed, "usage_details", "--tags-map")
    raises("DuckDB: a column that the first file lacks", lambda: connection.execute(text), "tags_map")


def check_all(lakes):
    check_defaults(lakes)
    check_instants(lakes)
    check_views(lakes)
    check_odd_views(lakes)
    check_lone_view(lakes)
    check_digits(lakes)
    check_mixed(lakes)
