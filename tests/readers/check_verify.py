"""`verify` against files that other tools wrote, and against damage by chance: check_verify.py BIN

PyArrow, Polars and DuckDB read the file of a billing period and write it again in its place: as it is, with a row less,
with one value changed. PyArrow keeps the footer's keys, so that the file says that billing-lake wrote it. Then bits,
blocks and ends of a whole file are damaged, by chance and from a seed. `verify` has to name each of them.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import duckdb
import polars
import pyarrow
import pyarrow.parquet

from service import Service

ROWS = 30_000
DAMAGED = 300


def main():
    binary = os.path.abspath(sys.argv[1])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-verify-"))
    passed = failed = 0

    def verify(dest):
        done = subprocess.run([binary, "verify", "-q", "--dest", str(dest)], capture_output=True, text=True)
        return done.returncode, done.stdout

    def expect(what, wanted, *words):
        nonlocal passed, failed
        code, said = verify(dest)
        good = code == wanted and all(word in said for word in words)
        passed, failed = passed + good, failed + (not good)
        if not good or words:
            print(f"{'ok    ' if good else 'FAILED'} {what}: exit {code}: {said.splitlines()[0].split('.parquet: ')[-1]}")

    service = Service(binary, months=2, rows_per_month=ROWS)
    dest = folder / "lake"
    try:
        code, _ = service.sync(dest, "100")
        if code:
            raise SystemExit(service.complaint)
        (path,) = (dest / "usage_details/enrollment=100/billing_period=2024-01").iterdir()
        whole = path.read_bytes()
        expect("as it was written", 0, "right: 3 files")

        table = pyarrow.parquet.read_table(path, partitioning=None)
        at = table.schema.get_field_index("meter_name")
        names = ["another", *table.column(at).to_pylist()[1:]]
        changed = table.set_column(at, table.schema.field(at), pyarrow.array(names))
        for what, rows in [("as it is", table), ("a row less", table.slice(1)), ("one text changed", changed)]:
            pyarrow.parquet.write_table(rows, path)
            kept = pyarrow.parquet.read_metadata(path).metadata
            assert b"billing_lake.digest" in kept, "PyArrow does not keep the keys any more"
            expect(f"written again by PyArrow, {what}", 5, "its footer is damaged")
        path.write_bytes(whole)
        polars.read_parquet(path, hive_partitioning=False).write_parquet(path)
        expect("written again by Polars", 5, "not written by billing-lake")
        path.write_bytes(whole)
        again = folder / "again.parquet"
        duckdb.sql(f"COPY (SELECT * FROM read_parquet('{path}', hive_partitioning = false)) TO '{again}'")
        shutil.copyfile(again, path)
        expect("written again by DuckDB", 5, "not written by billing-lake")
        pyarrow.parquet.write_table(pyarrow.table({"cost": [1.5]}), path)
        expect("another table by PyArrow", 5, "not written by billing-lake")

        chance = random.Random(1)
        before = failed
        for number in range(DAMAGED):
            damaged = bytearray(whole)
            where = chance.randrange(len(whole))
            match number % 4:
                case 0:
                    damaged[where] ^= 1 << chance.randrange(8)
                case 1:
                    end = min(len(whole), where + chance.choice([1, 512, 4096]))
                    damaged[where:end] = bytes(byte ^ chance.randrange(1, 256) for byte in damaged[where:end])
                case 2:
                    del damaged[where : where + chance.randrange(1, 5000)]
                case 3:
                    damaged[where:where] = chance.randbytes(chance.randrange(1, 5000))
            path.write_bytes(damaged)
            expect(f"damage {number} at {where} of {len(whole)}", 5)
        print(f"{'ok    ' if failed == before else 'FAILED'} {DAMAGED} files damaged by chance")
        path.write_bytes(whole)
        expect("as it was written, once more", 0, "right: 3 files")
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
