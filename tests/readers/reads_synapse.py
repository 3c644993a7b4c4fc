"""Synapse serverless SQL, which cannot run here: what `schema --engine synapse` prints and the files themselves are held
to the rules of its documentation.

The rules, from the service's pages "How to use OPENROWSET", "Create and use views", "Query Parquet files" and "Best
practices": types follow from Parquet's types by a table; columns are bound by name, and a name in another case reads as
NULL; text of Parquet files is UTF-8, wants a UTF-8 collation, and is filtered by with BIN2 only; a text longer than its
varchar is an error; instants are read as such only when they are normalised to UTC, and not in nanoseconds; a wildcard
that names folders is read back with filepath(n); a view stands alone in its batch; files whose names begin with `_` or
`.` are passed over.
"""

import re

import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet

from checks import check, equal
from plain_reading import DECIMAL
from reads_duckdb import MONEY, NARROW

COLLATION = " COLLATE Latin1_General_100_BIN2_UTF8"
VIEW = re.compile(
    r"CREATE OR ALTER VIEW \[(?P<name>\w+)\] AS\nSELECT\n(?P<select>.*?)\nFROM OPENROWSET\(BULK '(?P<bulk>[^']*)',"
    r" DATA_SOURCE = 'billing_lake', FORMAT = 'PARQUET'\)\nWITH \(\n(?P<columns>.*?)\n\) AS \[lake\];\Z",
    re.DOTALL,
)
COLUMN = re.compile(r"  \[(\w+)\] (.*?),?\Z")
TEXT = re.compile(r"varchar\((\d+|max)\)" + COLLATION)


def batches(printed):
    """What is sent at once: the lines up to a GO, without comments."""
    for batch in re.split(r"^GO\n", printed, flags=re.MULTILINE):
        text = "".join(line for line in batch.splitlines(True) if not line.startswith("--")).strip()
        if text:
            yield text


def documented(leaf, kind):
    """The type of a column by the documentation's table, from what its file says."""
    if pyarrow.types.is_list(kind) or pyarrow.types.is_map(kind):
        return "varchar"
    of = {
        ("BOOLEAN", "NONE"): "bit",
        ("BYTE_ARRAY", "STRING"): "varchar",
        ("FIXED_LEN_BYTE_ARRAY", "DECIMAL"): f"decimal({leaf.precision},{leaf.scale})",
        ("INT32", "DATE"): "date",
        ("INT64", "NONE"): "bigint",
        ("INT64", "TIMESTAMP"): "datetime2",
    }
    return of.get((leaf.physical_type, leaf.logical_type.type), "not supported")


def check_file(what, file, columns):
    """A file against the columns that are declared for it."""
    opened = pyarrow.parquet.ParquetFile(file)
    schema = opened.schema_arrow
    equal(f"{what}: names in their order and case", [name for name, _ in columns], schema.names)
    leaves = {}
    for at in range(len(opened.schema)):
        leaves.setdefault(opened.schema.column(at).path.split(".")[0], opened.schema.column(at))
    for name, declared in columns:
        kind = schema.field(name).type
        wanted = documented(leaves[name], kind)
        right = TEXT.fullmatch(declared) if wanted == "varchar" else declared == wanted
        check(f"{what}: {name} is {wanted}", right, declared)
        size = TEXT.fullmatch(declared) and TEXT.fullmatch(declared).group(1)
        if wanted == "datetime2":
            logical = str(leaves[name].logical_type)
            check(f"{what}: {name} is in UTC and no nanoseconds", "isAdjustedToUTC=true" in logical and "nano" not in logical, logical)
        elif size == "max":
            continue
        elif wanted == "varchar":
            values = opened.read(columns=[name])[name].cast(pyarrow.string())
            longest = compute.max(compute.binary_length(values)).as_py() or 0
            check(f"{what}: the longest text of {name} fits", longest <= int(size), f"{longest} bytes, {declared}")
    metadata = opened.metadata
    chunks = [metadata.row_group(group).column(at) for group in range(metadata.num_row_groups) for at in range(metadata.num_columns)]
    equal(f"{what}: codecs", {chunk.compression for chunk in chunks}, {"SNAPPY"})
    equal(f"{what}: INT96", [chunk.path_in_schema for chunk in chunks if chunk.physical_type == "INT96"], [])
    return metadata.num_rows


def check_view(lakes, view, table):
    what = f"Synapse, {table.name}"
    columns = [COLUMN.fullmatch(line).groups() for line in view["columns"].splitlines()]
    names = [name for name, _ in columns] + table.partitions
    check(f"{what}: no two names differ in case only", len({name.lower() for name in names}) == len(names), str(names))
    select = ["  [lake].*"] + [f"  [lake].filepath({at}) AS [{name}]" for at, name in enumerate(table.partitions, 1)]
    equal(f"{what}: names of folders", view["select"].split(",\n"), select)
    # Each wildcard but the file's own stands for the name that filepath gives.
    folders = [part.split("=*")[0] for part in view["bulk"].split("/")[1:-1]]
    equal(f"{what}: wildcards of folders", folders, table.partitions)
    files = sorted(lakes.whole.glob(view["bulk"]))
    everything = sorted(path for path in (lakes.whole / table.name).rglob("*") if path.is_file())
    equal(f"{what}: the pattern is all files, and there is no other", files, everything)
    hidden = [str(path) for path in files if any(part[0] in "._" for part in path.relative_to(lakes.whole).parts)]
    equal(f"{what}: files that would be passed over", hidden, [])
    rows = sum(check_file(f"{what}, file {at}", file, columns) for at, file in enumerate(files))
    equal(f"{what}: rows in these files", rows, table.rows)


def check_narrow(batch, table):
    """The types of the view that multiplies, and that a product keeps all of its decimals."""
    what = f"Synapse, {table.name}_narrow"
    check(f"{what}: a view alone in its batch", batch.startswith(f"CREATE OR ALTER VIEW [{table.name}_narrow] AS\n") and batch.count(";") == 1)
    casts = re.findall(r"TRY_CAST\(\[(\w+)\] AS (decimal\(\d+,\d+\))\) = \[\1\] THEN", batch)
    equal(f"{what}: types", casts, [(name, NARROW.get(name, MONEY).lower()) for name, kind in table.kinds if kind == DECIMAL])
    if table.is_multiplied:
        check(f"{what}: a product", "[consumed_quantity] * [resource_rate] AS [quantity_times_rate]" in batch)
        (p1, s1), (p2, s2) = (map(int, re.findall(r"\d+", dict(casts)[name])) for name in ("consumed_quantity", "resource_rate"))
        # T-SQL: a product has p1 + p2 + 1 digits, s1 + s2 of them decimals, and loses decimals beyond 38 digits.
        equal(f"{what}: digits of a product", (p1 + p2 + 1, s1 + s2), (38, 21))


def check_all(lakes):
    source, *views = batches(lakes.printed("synapse", lakes.whole, "--tags-map"))
    # A folder of this machine is none of Azure's.
    place = "https://<account>.dfs.core.windows.net/<container>/<folder>"
    equal("Synapse: the data source", source, f"CREATE EXTERNAL DATA SOURCE [billing_lake] WITH (LOCATION = '{place}');")
    narrow = {name: text for text in views for name in re.findall(r"VIEW \[(\w+)_narrow\]", text)}
    plain = {view["name"]: view for view in (VIEW.match(text) for text in views) if view}
    equal("Synapse: views", set(plain), set(lakes.tables))
    equal("Synapse: views that multiply", set(narrow), {table.name for table in lakes.tables.values() if table.decimals})
    equal("Synapse: nothing else", len(views), len(plain) + len(narrow))
    for name, table in lakes.tables.items():
        if name in plain:
            check_view(lakes, plain[name], table)
        if name in narrow:
            check_narrow(narrow[name], table)
