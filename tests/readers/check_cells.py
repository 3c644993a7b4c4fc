"""Compares every row and every column of a published lake with the pages as served.

    check_cells.py BIN

BIN is the billing-lake program. It serves (`simulate`), loads (`sync`, `convert`) and is believed in nothing: the pages
are fetched and read here by plain_reading.py, the Parquet files are read by DuckDB, Polars and PyArrow, each alone.
"""

import datetime
import decimal
import gzip
import hashlib
import json
import pathlib
import shutil
import sys
import tempfile

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.parquet

import checks
import plain_reading
from checks import check, equal
from plain_reading import DATE, DECIMAL, FLAG, ID, INSTANT, TEXT, Rows, plain
from service import Service

ENROLLMENTS = ("100", "200")
PERIODS = ("202401", "202402", "202403")
OWN = [("extra", TEXT), ("enrollment_number", TEXT), ("billing_month", DATE)]
DUCKDB_TYPES = {
    TEXT: "VARCHAR",
    DECIMAL: "DECIMAL(38,18)",
    ID: "BIGINT",
    DATE: "DATE",
    INSTANT: "TIMESTAMP WITH TIME ZONE",
    FLAG: "BOOLEAN",
}
# What every reader takes; a decimal in another encoding is refused by some.
SAFE_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}


# --- what must be there -----------------------------------------------------------------------------------------------


class Expected:
    """A slice as the pages say it must look: its columns in order, with their values."""

    def __init__(self, dataset, enrollment, rows, months, etag=None):
        self.rows, self.etag = rows, etag
        self.kinds = [(column, kind) for _, column, kind in rows.fields] + OWN
        self.columns = {column: rows.column(column) for column in rows.columns}
        self.columns["enrollment_number"] = [enrollment] * len(rows.rows)
        self.columns["billing_month"] = months
        self.name = f"{dataset} {enrollment}"


def usage_expected(service, enrollment, period, zipped=False):
    bodies, etag = service.pages(enrollment, period, zipped)
    rows = Rows("usage_details")
    for body in bodies:
        plain_reading.read_page(body, rows)
    expected = Expected("usage_details", enrollment, rows, [first_day(period)] * len(rows.rows), etag)
    expected.name += f" {period}"
    expected.pages = bodies
    return expected


def periods_expected(service, enrollment):
    body, headers = service.ask(f"/v2/enrollments/{enrollment}/billingperiods")
    rows = Rows("billing_periods")
    plain_reading.read_array(body, rows)
    months = [first_day(period) for period in rows.column("billing_period_id")]
    return Expected("billing_periods", enrollment, rows, months, headers.get("ETag"))


def first_day(period):
    return datetime.date(int(period[:4]), int(period[4:]), 1)


# --- three readers ----------------------------------------------------------------------------------------------------


def by_duckdb(file, kinds):
    connection = duckdb.connect()
    source = f"read_parquet('{file}', hive_partitioning=false)"
    types = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    words = [f'epoch_us("{name}")' if kind == INSTANT else f'"{name}"' for name, kind in kinds]
    rows = connection.execute(f"SELECT {', '.join(words)} FROM {source}").fetchall()
    columns = list(zip(*rows)) if rows else [()] * len(kinds)
    sums = [name for name, kind in kinds if kind == DECIMAL]
    summed = {}
    if sums:
        words = ", ".join(f'coalesce(sum("{name}"), 0)' for name in sums)
        summed = dict(zip(sums, connection.execute(f"SELECT {words} FROM {source}").fetchone()))
    return types == [(name, DUCKDB_TYPES[kind]) for name, kind in kinds], types, columns, summed


POLARS_TYPES = {
    TEXT: polars.String,
    DECIMAL: polars.Decimal(38, 18),
    ID: polars.Int64,
    DATE: polars.Date,
    INSTANT: polars.Datetime("us", "UTC"),
    FLAG: polars.Boolean,
}


def by_polars(file, kinds):
    frame = polars.read_parquet(file, hive_partitioning=False)
    types = [(name, polars.String if kind == polars.Categorical else kind) for name, kind in frame.schema.items()]
    columns, summed = [], {}
    for name, kind in kinds:
        series = frame[name]
        if kind == DECIMAL:
            summed[name] = series.sum()
        columns.append((series.dt.epoch("us") if kind == INSTANT else series).to_list())
    return types == [(name, POLARS_TYPES[kind]) for name, kind in kinds], types, columns, summed


ARROW_TYPES = {
    TEXT: pyarrow.string(),
    DECIMAL: pyarrow.decimal128(38, 18),
    ID: pyarrow.int64(),
    DATE: pyarrow.date32(),
    INSTANT: pyarrow.timestamp("us", tz="UTC"),
    FLAG: pyarrow.bool_(),
}


def by_pyarrow(file, kinds):
    table = pyarrow.parquet.ParquetFile(file).read()
    # Text may come as a dictionary: that is how the writer had it, not what the file holds.
    plain_type = lambda kind: kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    types = [(field.name, plain_type(field.type)) for field in table.schema]
    columns, summed = [], {}
    for name, kind in kinds:
        column = table.column(name)
        if kind == DECIMAL:
            summed[name] = pyarrow.compute.sum(column).as_py() or 0
        columns.append((column.cast(pyarrow.int64()) if kind == INSTANT else column).to_pylist())
    return types == [(name, ARROW_TYPES[kind]) for name, kind in kinds], types, columns, summed


READERS = {"DuckDB": by_duckdb, "Polars": by_polars, "PyArrow": by_pyarrow}


def check_file(file, expected, told):
    """Every column of a file, cell by cell and in order, by each reader; then its types and exact sums."""
    for reader, read in READERS.items():
        what = f"{told}: {reader}, {expected.name}"
        try:
            types_right, types, columns, summed = read(str(file), expected.kinds)
        except Exception as error:  # whatever a reader raises is what the user would see
            check(f"{what} reads the file", False, f"{type(error).__name__}: {error}")
            continue
        check(f"{what}: names, order and types of the columns", types_right, str(types))
        for (name, _), got in zip(expected.kinds, columns):
            wanted = expected.columns[name]
            got = list(got)
            if not check(f"{what}: {name}", got == wanted, difference(got, wanted)):
                continue
        for name, total in expected.rows.published_sums.items():
            equal(f"{what}: sum of {name}", plain(decimal.Decimal(summed[name])), plain(total))


def difference(got, wanted):
    if len(got) != len(wanted):
        return f"{len(got)} rows, {len(wanted)} served"
    wrong = [at for at, (one, other) in enumerate(zip(got, wanted)) if one != other]
    return f"{len(wrong)} cells differ, first in row {wrong[0]}: {got[wrong[0]]!r}, served {wanted[wrong[0]]!r}" if wrong else ""


# --- the footer -------------------------------------------------------------------------------------------------------


def check_footer(file, expected, told, fetched=True):
    what = f"{told}: footer of {expected.name}"
    opened = pyarrow.parquet.ParquetFile(file)
    told_by_file = {name.decode(): value.decode() for name, value in (opened.metadata.metadata or {}).items()}
    entry = lambda name: told_by_file.get(f"billing_lake.{name}")
    equal(f"{what}: rows", entry("rows"), str(len(expected.rows.rows)))
    equal(f"{what}: rejected rows", entry("rejected_rows"), str(len(expected.rows.rejected)))
    equal(f"{what}: rounded values", entry("rounded_values"), str(expected.rows.rounded_values))
    totals = json.loads(entry("control_totals") or "null")
    wanted = {name: plain(total) for name, total in expected.rows.text_sums.items()}
    got = {name: plain(decimal.Decimal(total)) for name, total in (totals or {}).items()}
    equal(f"{what}: control totals", got, wanted)
    residues = {name: plain(expected.rows.residue(name)) for name in wanted if expected.rows.residue(name)}
    equal(f"{what}: rounding residue", json.loads(entry("rounding_residue") or "null"), residues)
    body = pathlib.Path(file).read_bytes()
    length = int.from_bytes(body[-8:-4], "little")
    equal(f"{what}: digest", entry("digest"), "sha256:" + hashlib.sha256(body[: len(body) - 8 - length]).hexdigest())
    for name in ("contract", "tool_version", "fetched_at", "source", "api_version"):
        check(f"{what}: {name} is there", entry(name))
    if fetched:
        equal(f"{what}: ETag", entry("etag"), expected.etag)
        check(f"{what}: request is there", entry("request"))
    elif "etag" in told_by_file:
        equal(f"{what}: no ETag", entry("etag"), "")
    for group in range(opened.metadata.num_row_groups):
        for at in range(opened.metadata.num_columns):
            chunk = opened.metadata.row_group(group).column(at)
            if chunk.physical_type == "FIXED_LEN_BYTE_ARRAY":
                check(f"{what}: encodings of {chunk.path_in_schema}", set(chunk.encodings) <= SAFE_ENCODINGS, str(chunk.encodings))
            check(f"{what}: no INT96 in {chunk.path_in_schema}", chunk.physical_type != "INT96")


# --- the lake as a whole ----------------------------------------------------------------------------------------------


def file_of(dest, dataset, enrollment, period=None):
    folder = pathlib.Path(dest, dataset, f"enrollment={enrollment}")
    if period:
        folder = folder / f"billing_period={period[:4]}-{period[4:]}"
    files = [file for file in folder.glob("*") if file.is_file()] if folder.is_dir() else []
    check(f"one file in {folder.relative_to(dest)}", len(files) == 1, str([file.name for file in files]))
    return files[0] if files else None


def state_of(dest):
    """Each file of the datasets with its inode and bytes: equal states mean that nothing was touched."""
    return {
        str(file.relative_to(dest)): (file.stat().st_ino, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in datasets_files(dest)
    }


def datasets_files(dest):
    return [file for file in pathlib.Path(dest).rglob("*") if file.is_file() and "_billing_lake" not in file.parts]


def check_tidy(dest, told):
    strangers = [str(file.relative_to(dest)) for file in datasets_files(dest) if file.suffix != ".parquet"]
    equal(f"{told}: nothing but Parquet files in the datasets' folders", strangers, [])


def check_glob(dest, slices, told):
    """The lake by one query, as a user asks it."""
    answer = duckdb.connect().execute(
        "SELECT enrollment_number, billing_period, count(*), sum(cost) "
        f"FROM read_parquet('{dest}/usage_details/**/*.parquet', hive_partitioning=true) GROUP BY ALL ORDER BY ALL"
    )
    got = [(enrollment, period, rows, plain(total)) for enrollment, period, rows, total in answer.fetchall()]
    wanted = [
        (enrollment, f"{period[:4]}-{period[4:]}", len(expected.rows.rows), plain(expected.rows.published_sums["cost"]))
        for (enrollment, period), expected in sorted(slices.items())
    ]
    equal(f"{told}: rows and costs by enrollment and period", got, wanted)


def outcomes(report, dataset="usage_details"):
    """(billing period, outcome) of a run's slices."""
    slices = [part for part in (report or {}).get("slices", []) if part["dataset"] == dataset]
    return sorted((part["billing_period"], part["outcome"]) for part in slices)


def with_dash(period):
    return f"{period[:4]}-{period[4:]}"


def check_first_sync(service, dest, slices):
    for enrollment in ENROLLMENTS:
        code, report = service.sync(dest, enrollment)
        equal(f"first sync of {enrollment}: exit code", code, 0) or print(service.complaint)
        equal(f"first sync of {enrollment}: outcomes", outcomes(report), [(with_dash(period), "published") for period in PERIODS])
        for part in (report or {}).get("slices", []):
            if part["dataset"] != "usage_details":
                continue
            expected = slices[enrollment, part["billing_period"].replace("-", "")]
            equal(f"report of {expected.name}: rows", part["rows"], len(expected.rows.rows))
            equal(f"report of {expected.name}: pages", part["pages"], len(expected.pages))
            equal(f"report of {expected.name}: cost", plain(decimal.Decimal(part["control_totals"]["cost"])), plain(expected.rows.text_sums["cost"]))
            equal(f"report of {expected.name}: ETag", part["etag"], expected.etag)
        expected = periods_expected(service, enrollment)
        if file := file_of(dest, "billing_periods", enrollment):
            check_file(file, expected, "first sync")
    for (enrollment, period), expected in slices.items():
        if file := file_of(dest, "usage_details", enrollment, period):
            check_file(file, expected, "first sync")
            check_footer(file, expected, "first sync")
    check_tidy(dest, "first sync")
    check_glob(dest, slices, "first sync")


def check_against_truth(service, slices):
    """What is read here must be what the simulator counted in integers: the measure is measured too."""
    truth = service.truth()["enrollments"]
    for (enrollment, period), expected in slices.items():
        told = truth[enrollment][period]
        equal(f"truth of {expected.name}: rows", len(expected.rows.rows), told["rows"])
        for name, total in told["sums"].items():
            equal(f"truth of {expected.name}: {name}", plain(expected.rows.text_sums[name]), plain(decimal.Decimal(total)))
        zipped = usage_expected(service, enrollment, period, zipped=True)
        check(f"{expected.name}: the same with gzip", zipped.rows.rows == expected.rows.rows)


def check_unchanged(service, dest):
    before, bodies = state_of(dest), service.truth()["counters"]["pages_served"]
    for enrollment in ENROLLMENTS:
        code, report = service.sync(dest, enrollment, "--recheck", "all")
        equal(f"second sync of {enrollment}: exit code", code, 0) or print(service.complaint)
        equal(f"second sync of {enrollment}: outcome of the run", (report or {}).get("outcome"), "unchanged")
        equal(f"second sync of {enrollment}: outcomes", outcomes(report), [(with_dash(period), "unchanged") for period in PERIODS])
    equal("second sync: page bodies served", service.truth()["counters"]["pages_served"] - bodies, 0)
    check("second sync: no file was touched", state_of(dest) == before)


def check_restatement(service, dest, slices):
    service.restate("100", "202402")
    before = state_of(dest)
    old = slices["100", "202402"]
    new = slices["100", "202402"] = usage_expected(service, "100", "202402")
    check("restatement: the simulator serves other rows", new.rows.rows != old.rows.rows)
    for enrollment in ENROLLMENTS:
        code, report = service.sync(dest, enrollment, "--recheck", "all")
        equal(f"sync of {enrollment} after the restatement: exit code", code, 0) or print(service.complaint)
        replaced = lambda period: "published" if (enrollment, period) == ("100", "202402") else "unchanged"
        equal(f"sync of {enrollment} after the restatement: outcomes", outcomes(report), [(with_dash(period), replaced(period)) for period in PERIODS])
    after = state_of(dest)
    touched = {str(pathlib.Path(name).parent) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    equal("restatement: folders touched", touched, {"usage_details/enrollment=100/billing_period=2024-02"})
    if file := file_of(dest, "usage_details", "100", "202402"):
        check_file(file, new, "restatement")
        check_footer(file, new, "restatement")
    check_tidy(dest, "restatement")
    check_glob(dest, slices, "restatement")


def check_convert(service, work, slices):
    """Saved pages give the same lake, plain and compressed; a period that is there is not replaced unasked."""
    dest, pages = work / "converted", work / "pages"
    pages.mkdir()
    number = 0
    for period in PERIODS:
        for body in slices["100", period].pages:
            number += 1
            if number % 2:
                (pages / f"page-{number:05}.json").write_bytes(body)
            else:
                (pages / f"page-{number:05}.json.gz").write_bytes(gzip.compress(body, 1))
    command = ("convert", pages, "--enrollment", "100", "--dest", dest)
    code, report = service.run(*command)
    equal("convert: exit code", code, 0) or print(service.complaint)
    equal("convert: outcomes", outcomes(report), [(with_dash(period), "published") for period in PERIODS])
    for period in PERIODS:
        if file := file_of(dest, "usage_details", "100", period):
            check_file(file, slices["100", period], "convert")
            check_footer(file, slices["100", period], "convert", fetched=False)
    check_tidy(dest, "convert")
    before = state_of(dest)
    code, _ = service.run(*command)
    equal("convert again: exit code", code, 2)
    check("convert again: no file was touched", state_of(dest) == before)
    code, _ = service.run(*command, "--force")
    equal("convert --force: exit code", code, 0) or print(service.complaint)
    if file := file_of(dest, "usage_details", "100", "202403"):
        check_file(file, slices["100", "202403"], "convert --force")


def check_ndjson(service, work):
    """The golden rows, one behind the other, as a whole file that is converted."""
    source = pathlib.Path(__file__).parent.parent / "golden" / "recorded_rows.json"
    rows = Rows("usage_details")
    plain_reading.read_page(source.read_bytes(), rows)
    lines = work / "rows.ndjson"
    lines.write_text("".join(line.rstrip(",") + "\n" for line in source.read_text("utf-8").splitlines() if line.startswith('{"serviceName"')), "utf-8")
    dest = work / "golden"
    code, _ = service.run("convert", lines, "--enrollment", "0012", "--dest", dest)
    equal("convert of NDJSON: exit code", code, 0) or print(service.complaint)
    expected = Expected("usage_details", "0012", rows, [first_day("201808")] * len(rows.rows))
    if file := file_of(dest, "usage_details", "0012", "201808"):
        check_file(file, expected, "convert of NDJSON")


def check_wrong_key(service, dest):
    before = state_of(dest)
    code, _ = service.sync(dest, "100", "--recheck", "all", key="another-key")
    equal("a wrong key: exit code", code, 3)
    check("a wrong key: no file was touched", state_of(dest) == before)


def check_key_is_nowhere(service, work):
    holders = [str(file.relative_to(work)) for file in work.rglob("*") if file.is_file() and service.key.encode() in file.read_bytes()]
    equal("the key stands in no file", holders, [])
    equal("the key stands in no output of a run", service.key in service.said, False)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-cells-"))
    service = Service(sys.argv[1], seed=7, enrollments=",".join(ENROLLMENTS), months=3, rows_per_month=5000, page_rows=1000, **{"from": "2024-01"})
    try:
        slices = {(enrollment, period): usage_expected(service, enrollment, period) for enrollment in ENROLLMENTS for period in PERIODS}
        dest = work / "lake"
        check_against_truth(service, slices)
        check_first_sync(service, dest, slices)
        check_unchanged(service, dest)
        check_restatement(service, dest, slices)
        check_convert(service, work, slices)
        check_ndjson(service, work)
        check_wrong_key(service, dest)
        check_key_is_nowhere(service, work)
    finally:
        service.stop()
        if checks.failed:
            print(f"the lakes are kept in {work}")
        else:
            shutil.rmtree(work)
    checks.conclude()


if __name__ == "__main__":
    main()
