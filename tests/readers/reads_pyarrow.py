"""PyArrow: a dataset as a folder, and pandas, which reads through it."""

import decimal
import json

import pandas
import pyarrow
import pyarrow.compute as compute
import pyarrow.dataset
import pyarrow.parquet

import served
from checks import check, equal, raises
from plain_reading import AMOUNTS, DATE, DECIMAL, EXACT, FLAG, ID, INSTANT, MAP, TEXT, plain

TYPES = {
    TEXT: pyarrow.string(),
    DECIMAL: pyarrow.decimal128(38, 18),
    ID: pyarrow.int64(),
    DATE: pyarrow.date32(),
    INSTANT: pyarrow.timestamp("us", tz="UTC"),
    FLAG: pyarrow.bool_(),
    AMOUNTS: pyarrow.list_(
        pyarrow.field("element", pyarrow.struct([("name", pyarrow.string()), ("value", pyarrow.decimal128(38, 18))]))
    ),
    MAP: pyarrow.map_(pyarrow.string(), pyarrow.string()),
}
QUANTITY, RATE = pyarrow.decimal128(16, 6), pyarrow.decimal128(21, 15)


def opened(lake, dataset):
    return pyarrow.dataset.dataset(str(lake / dataset), partitioning="hive")


def plain_type(kind):
    """Text may come as a dictionary: that is how the writer had it, not what the file holds."""
    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind


def check_totals(what, data, table):
    values = data.to_table(columns=table.decimals)
    equal(f"{what}: rows", data.count_rows(), table.rows)
    for column in table.decimals:
        equal(f"{what}: sum of {column}", plain(compute.sum(values[column]).as_py()), plain(table.sum(column)))


def check_nested(what, data, table):
    for column in table.columns(AMOUNTS):
        rows = data.to_table(columns=["enrollment_number", table.window, column]).to_pylist()
        flat = [(row["enrollment_number"], row[table.window], amount) for row in rows for amount in row[column] or []]
        got = sorted((*key, amount["name"], plain(amount["value"])) for *key, amount in flat)
        check(f"{what}: {column}", got == table.amounts(column) and got, str(got)[:300])
    for column in table.columns(MAP):
        got = sorted(item for cell in data.to_table(columns=[column])[column].to_pylist() for item in cell or [])
        check(f"{what}: {column}", got == table.tags() and got, f"{len(got)} entries, {len(table.tags())} served")


def check_footers(lakes):
    """The totals that stand in the files, by dataset, are the sums of the text that was served."""
    for table in lakes.tables.values():
        summed = dict.fromkeys(next(iter(table.slices.values())).text_sums, decimal.Decimal(0))
        rows = 0
        for file in (lakes.whole / table.name).rglob("*.parquet"):
            entries = pyarrow.parquet.read_metadata(file).metadata
            rows += int(entries[b"billing_lake.rows"])
            for column, total in json.loads(entries[b"billing_lake.control_totals"]).items():
                summed[column] = EXACT.add(summed[column], decimal.Decimal(total))
        equal(f"footers of {table.name}: rows", rows, table.rows)
        for column, total in summed.items():
            wanted = served.exact_sum(part.text_sums[column] for part in table.slices.values())
            equal(f"footers of {table.name}: total of {column}", plain(total), plain(wanted))


def check_pruning(lakes):
    usage, periods = lakes.tables["usage_details"], lakes.periods
    data = opened(lakes.whole, "usage_details")
    equal("PyArrow: files without a filter", len(list(data.get_fragments())), len(usage.slices))
    period, enrollment = compute.field("billing_period"), compute.field("enrollment")
    cases = {
        "one period": (period == periods[1], 3, usage.rows_of(windows=periods[1:2])),
        "from a period on": (period >= periods[1], 6, usage.rows_of(windows=periods[1:])),
        "two periods": (period.isin([periods[0], periods[2]]), 6, usage.rows_of(windows=periods[::2])),
        "one enrollment": (enrollment == "0012345", 3, usage.rows_of(enrollments=["0012345"])),
        "one slice": ((enrollment == "100") & (period == periods[1]), 1, usage.rows_of(enrollments=["100"], windows=periods[1:2])),
    }
    for what, (condition, number, rows) in cases.items():
        got = (len(list(data.get_fragments(condition))), data.count_rows(filter=condition))
        equal(f"PyArrow, {what}: files and rows", got, (number, rows))


def check_folders(lakes):
    """What the names of folders are taken for."""
    for lake, kind, values in ((lakes.numbers, pyarrow.int32(), [100, 12345]), (lakes.lone, pyarrow.int32(), [100])):
        data = opened(lake, "usage_details")
        got = [data.schema.field(name).type for name in ("enrollment", "billing_period")]
        equal(f"PyArrow, {lake.name}: types", got, [kind, pyarrow.string()])
        got = sorted(compute.unique(data.to_table(columns=["enrollment"])["enrollment"]).to_pylist())
        equal(f"PyArrow, {lake.name}: enrollments", got, values)
    schema = pyarrow.schema([("enrollment", pyarrow.string()), ("billing_period", pyarrow.string())])
    folders = pyarrow.dataset.partitioning(schema, flavor="hive")
    data = pyarrow.dataset.dataset(str(lakes.numbers / "usage_details"), partitioning=folders)
    rows = data.count_rows(filter=compute.field("enrollment") == "0012345")
    equal("PyArrow, declared as text", rows, lakes.tables["usage_details"].rows_of(enrollments=["0012345"]))


def check_products(lakes):
    values = opened(lakes.whole, "usage_details").to_table(columns=["consumed_quantity", "resource_rate"])
    quantity, rate = values["consumed_quantity"], values["resource_rate"]
    raises("PyArrow: a product of two DECIMAL(38,18)", lambda: compute.multiply(quantity, rate), "precision out of range")
    product = compute.multiply(quantity.cast(QUANTITY), rate.cast(RATE))
    equal("PyArrow: the type of a product", product.type, pyarrow.decimal128(38, 21))
    total = compute.sum(product).as_py()
    equal("PyArrow: products of narrower types", plain(total), plain(lakes.tables["usage_details"].products()))
    for number in ("0.0000001", "10000000000"):
        wide = pyarrow.array([decimal.Decimal(number)], TYPES[DECIMAL])
        raises(f"PyArrow: a cast of {number} loses nothing silently", lambda: wide.cast(QUANTITY), "Decimal value")


def check_mixed(lakes):
    """The first file decides about the columns."""
    data = opened(lakes.mixed, "usage_details")
    check("PyArrow, mixed shapes: a column is gone", "tags_map" not in data.schema.names and data.count_rows())


def check_pandas(lakes):
    usage = lakes.tables["usage_details"]
    frame = pandas.read_parquet(lakes.whole / "usage_details")
    wanted = [name for name, _ in usage.kinds] + usage.partitions
    equal("pandas: columns and rows", (list(frame.columns), len(frame)), (wanted, usage.rows))
    check("pandas: a cell of a decimal column", type(frame["cost"].iloc[0]) is decimal.Decimal)
    for column in usage.decimals:
        equal(f"pandas: sum of {column}", plain(frame[column].sum()), plain(usage.sum(column)))
    equal("pandas: rows of 0012345", (frame["enrollment_number"] == "0012345").sum(), usage.rows_of(enrollments=["0012345"]))
    for column in ("enrollment", "billing_period"):
        check(f"pandas: {column} is a category", isinstance(frame[column].dtype, pandas.CategoricalDtype), str(frame[column].dtype))
    categories = list(pandas.read_parquet(lakes.numbers / "usage_details", columns=["enrollment"])["enrollment"].unique())
    equal("pandas: zeros are lost among numbers", sorted(categories), [100, 12345])
    # Python's decimals keep 28 digits of a result unless told otherwise.
    wide = pandas.Series([decimal.Decimal("99999999999.123456789012345678")] * 2)
    with decimal.localcontext(prec=28):
        check("pandas: a sum of more than 28 digits is rounded", wide.sum() == decimal.Decimal("199999999998.2469135780246914"))
    with decimal.localcontext(prec=60):
        equal("pandas: a sum with 60 digits", wide.sum(), 2 * wide[0])
        total = plain((frame["consumed_quantity"] * frame["resource_rate"]).sum())
        equal("pandas: products with 60 digits", total, plain(usage.products()))
    charges = pandas.read_parquet(lakes.whole / "marketplace_charges", columns=["usage_start_date"])["usage_start_date"]
    instants = served.instants(lakes.tables["marketplace_charges"])["usage_start_date"]
    got = charges.dt.tz_convert("America/New_York").sort_values()
    check("pandas: instants", [at.value // 1000 for at in got] == instants and instants, str(got.dtype))


def check_all(lakes):
    for table in lakes.tables.values():
        what, data = f"PyArrow, {table.name}", opened(lakes.whole, table.name)
        wanted = [(name, TYPES[kind]) for name, kind in table.kinds] + [(name, pyarrow.string()) for name in table.partitions]
        equal(f"{what}: columns", [(field.name, plain_type(field.type)) for field in data.schema], wanted)
        check_totals(what, data, table)
        check_nested(what, data, table)
        for column, instants in served.instants(table).items():
            cells = data.to_table(columns=[column])[column].cast(pyarrow.timestamp("us", tz="America/New_York"))
            check(f"{what}: instants of {column}", sorted(cells.cast(pyarrow.int64()).to_pylist()) == instants and instants)
    usage, data = lakes.tables["usage_details"], opened(lakes.whole, "usage_details")
    for enrollment in lakes.enrollments:
        cost = data.to_table(columns=["cost"], filter=compute.field("enrollment_number") == enrollment)["cost"]
        got = (len(cost), plain(compute.sum(cost).as_py()))
        equal(f"PyArrow: rows of {enrollment}", got, (usage.rows_of(enrollments=[enrollment]), plain(usage.sum("cost", enrollment))))
    check_footers(lakes)
    check_pruning(lakes)
    check_folders(lakes)
    check_products(lakes)
    check_mixed(lakes)
    check_pandas(lakes)
