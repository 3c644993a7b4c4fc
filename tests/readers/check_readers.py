"""Opens a lake of all datasets as people do: as folders, with each reader's defaults, and with what `schema` prints.

    check_readers.py BIN [READER]...

BIN is the billing-lake program. The lake has several enrollments, one with zeros in front and one with a colon, and
several periods; what must be in it is read from the pages as served by plain_reading.py and summed with Python's decimal.
DuckDB, Polars, PyArrow with pandas, and Spark open it; Synapse is held to what its documentation says. The readers'
own parts stand in reads_{reader}.py.
"""

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import types

import checks
import served
from checks import check, equal
from service import Service

READERS = ("duckdb", "polars", "pyarrow", "spark", "synapse")
# The second one loses its zeros where it is taken for a number, the third one is an account of the newer agreements.
NUMBERS = ("100", "0012345")
ENROLLMENTS = (*NUMBERS, "2fa84e27-1c9d-4d6e-8d5b-0a1b2c3d4e5f:7c1d_2019-05-31")
PERIODS = ("2024-01", "2024-02", "2024-03")
DATES = ("2024-01-20", "2024-02-10")
# A folder's name in which little is as it seems.
ODD = "it's a \"lake\" [1] {b} *?100% é; --"

# Usage rows by billing period, of which the later ones do not fit into the narrow views: quantity, rate, cost.
DIGITS = {
    "2024-01": ("-9999999999.999999", "999999.999999999999999", "9999999999.999999999999999999"),
    "2024-02": ("0.0000001", "1", "1"),
    "2024-03": ("10000000000", "1", "1"),
    "2024-04": ("1", "0.0000000000000001", "1"),
    "2024-05": ("1", "-1000000", "1"),
    "2024-06": ("1", "1", "10000000000"),
}


def run(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, env=environment())
    check(f"billing-lake {arguments[0]} ends well", done.returncode == 0, done.stderr[-2000:])
    return done.stdout


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("BILLING_LAKE_")}


def sync(service, dest, enrollments, *more):
    arguments = ("sync", "--enrollment", ",".join(enrollments), "--endpoint", service.endpoint, "--dest", dest)
    code, report = service.run(*arguments, *more)
    check(f"sync of {dest.name} ends well", code == 0 and report["totals"]["slices"].get("published"), service.complaint)


def build(binary, work):
    """The lakes, and what must be in the whole one."""
    lakes = types.SimpleNamespace(work=work, enrollments=ENROLLMENTS, numbers_of=NUMBERS, periods=PERIODS, digits_of=DIGITS)
    lakes.whole, lakes.odd = work / "lake", work / ODD
    options = {"seed": 7, "months": len(PERIODS), "rows_per_month": 1500, "from": PERIODS[0]}
    service = Service(binary, enrollments=",".join(ENROLLMENTS), **options)
    try:
        lakes.tables = served.read_all(service, ENROLLMENTS, PERIODS, DATES)
        sync(service, lakes.whole, ENROLLMENTS, "--tags-map")
        sync(service, lakes.whole, ENROLLMENTS, "--tags-map", "--from", DATES[0], "--to", DATES[1])
        # Without maps, and never with dates: two of the datasets have no folder.
        sync(service, lakes.odd, NUMBERS)
    finally:
        service.stop()
    equal("all datasets are served", len(lakes.tables), 7)
    for table in lakes.tables.values():
        check(f"{table.name}: every slice was served with rows", table.has_all())
    lakes.numbers = part_of(lakes, work / "numbers", [f"enrollment={number}" for number in NUMBERS])
    lakes.lone = part_of(lakes, work / "lone", ["enrollment=100"])
    # The first month as before the tags had a map, the others as after it.
    lakes.mixed = part_of(lakes, work / "mixed", [f"enrollment=100/billing_period={period}" for period in PERIODS[1:]])
    first = f"usage_details/enrollment=100/billing_period={PERIODS[0]}"
    shutil.copytree(lakes.odd / first, lakes.mixed / first)
    lakes.digits = work / "digits"
    rows = [dict(zip(("consumedQuantity", "resourceRate", "cost"), row), date=f"{period}-05") for period, row in DIGITS.items()]
    (work / "digits.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(binary, "convert", work / "digits.ndjson", "--enrollment", "100", "--dest", lakes.digits)
    lakes.printed = lambda engine, dest, *more: run(binary, "schema", *more, "--engine", engine, "--dest", dest)
    return lakes


def part_of(lakes, dest, folders):
    """A lake of some folders of usage details."""
    for folder in folders:
        shutil.copytree(lakes.whole / "usage_details" / folder, dest / "usage_details" / folder)
    return dest


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-readers-"))
    begin = time.monotonic()
    try:
        lakes = build(os.path.abspath(sys.argv[1]), work)
        print(f"lakes: {time.monotonic() - begin:.0f} s")
        for reader in sys.argv[2:] or READERS:
            begin, before = time.monotonic(), checks.passed
            importlib.import_module(f"reads_{reader}").check_all(lakes)
            print(f"{reader}: {checks.passed - before} passed in {time.monotonic() - begin:.0f} s", flush=True)
            check(f"{reader} was asked", checks.passed > before)
    finally:
        if checks.failed or sys.exc_info()[0]:
            print(f"the lakes are kept in {work}")
        else:
            shutil.rmtree(work)
    checks.conclude()


if __name__ == "__main__":
    main()
