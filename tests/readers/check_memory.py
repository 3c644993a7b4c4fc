"""Peak memory of `sync` and `verify`: check_memory.py BIN

The budget of `--memory` holds whatever the size of a billing period: here some 1 GB of rows that repeat, and of rows
that all have a resource id and tags of their own; such rows as one CSV, and with their tags as maps; a price sheet that is
one array of 400,000 items. What was written is verified within a bound that does not grow with it. What the kernel counted for the process is believed, not the tool.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from service import Service

ROWS = 700_000
ITEMS = 400_000
# What is fetched, with how much memory in MiB.
CASES = {
    "repeating": [
        ("pages", 256, ["--datasets", "usage_details", "--concurrency", "2"]),
        ("pages", 64, ["--datasets", "usage_details", "--last", "1"]),
        ("a price sheet", 64, ["--datasets", "price_sheet", "--last", "1"]),
    ],
    "unique": [
        ("pages", 256, ["--datasets", "usage_details", "--concurrency", "2"]),
        ("pages", 64, ["--datasets", "usage_details", "--last", "1"]),
        ("one CSV", 64, ["--datasets", "usage_details", "--last", "1", "--via", "csv"]),
        ("pages with maps of tags", 256, ["--datasets", "usage_details", "--last", "1", "--tags-map"]),
    ],
}
MIB = 1 << 20
# What `verify` may hold, of two files that it reads at a time.
VERIFY = 128


def peak(command, environment):
    """Exit code and peak resident bytes of a process."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode(errors="replace")
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(said[-2000:])
    return process.returncode, usage.ru_maxrss * 1024


def main():
    binary = os.path.abspath(sys.argv[1])
    passed = failed = 0
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_LAKE_")}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-memory-"))
    try:
        for data, cases in CASES.items():
            service = Service(binary, months=2, rows_per_month=ROWS, data=data, price_sheet_items=ITEMS)
            environment["BILLING_LAKE_API_KEY"] = service.key
            sync = [binary, "sync", "-q", "--endpoint", service.endpoint, "--enrollment", "100"]
            try:
                for what, memory, more in cases:
                    dest = folder / f"{data}-{memory}"
                    code, bytes_held = peak(sync + ["--dest", str(dest), "--memory", f"{memory}MiB", *more], environment)
                    good = code == 0 and bytes_held <= memory * MIB
                    print(f"{'ok    ' if good else 'FAILED'} {what} of {data} rows, --memory {memory}MiB: {bytes_held // MIB} MiB, exit {code}")
                    passed, failed = passed + good, failed + (not good)
                    code, bytes_held = peak([binary, "verify", "-q", "--dest", str(dest)], environment)
                    good = code == 0 and bytes_held <= VERIFY * MIB
                    print(f"{'ok    ' if good else 'FAILED'}   verified: {bytes_held // MIB} MiB, exit {code}")
                    passed, failed = passed + good, failed + (not good)
                    shutil.rmtree(dest, ignore_errors=True)
            finally:
                service.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
