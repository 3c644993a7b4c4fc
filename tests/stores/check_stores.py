"""Holds the program's lakes on object stores against independent clients, under faults, deaths and other runs.

    check_stores.py BINARY [--only whole,large,…] [--stores s3,az,abfss] [--objects 1500]

BINARY serves (`simulate`), loads (`sync`) and is believed in nothing: objects are listed and read by boto3 and
azure-storage-blob, the files by DuckDB, Polars and PyArrow, and what the program asked of the store is what a proxy
in front of it wrote down. The stores are moto and Azurite (`servers.py`).
"""

import argparse
import concurrent.futures
import logging
import signal
import sys
import time
import traceback

import company
import deaths
import large_objects
import other_ways
import refusals
import replaced_between_reads
import servers
import troubles
import whole_lakes
from bench import Bench
from places import PLACES
from verdict import Verdict

CHECKS = {
    "whole": whole_lakes.check,
    "other": other_ways.check,
    "replaced": replaced_between_reads.check,
    "large": large_objects.check,
    "deaths": deaths.check,
    "troubles": troubles.check,
    "refusals": refusals.check,
    "company": company.check,
}
# What differs between az:// and abfss:// is how a place is named and found; the rest is tried on one of them.
ON_ALL = {"whole", "refusals"}
# These mostly wait for the program to give up: all at once, behind the others.
WAITING = {"troubles", "refusals"}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CHECKS), help="of these checks: " + ",".join(CHECKS))
    parser.add_argument("--stores", type=lambda text: text.split(","), default=list(PLACES), help="of these: " + ",".join(PLACES))
    parser.add_argument("--objects", type=int, default=1500, help="objects of the lake that is listed; S3 lists 1,000 at a time, Azure 5,000")
    return parser.parse_args()


def main():
    asked, verdict = options(), Verdict()
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, servers.end_by_signal)
    with servers.both() as stores:
        bench = Bench(asked.binary, stores, verdict, asked.objects)
        try:
            tasks = [(name, kind) for name in asked.only for kind in asked.stores if kind != "abfss" or name in ON_ALL]
            waiting = [task for task in tasks if task[0] in WAITING]
            for task in tasks:
                if task not in waiting:
                    timed(bench, *task)
            with concurrent.futures.ThreadPoolExecutor(len(tasks) or 1) as pool:
                for done in [pool.submit(timed, bench, *task) for task in waiting]:
                    done.result()
            secrets(bench)
        finally:
            bench.remove()
    sys.exit(verdict.end())


def timed(bench, name, kind):
    """A lake in a state that no check foresaw fails its group, and the others go on."""
    begin = time.monotonic()
    try:
        CHECKS[name](bench, kind)
    except Exception:
        bench.verdict.check(f"{name} on {kind} was cut short", False, traceback.format_exc())
    print(f"{name} on {kind}: {time.monotonic() - begin:.0f} s, {bench.verdict.passed} passed so far", flush=True)


def secrets(bench):
    """No run has said a key of a store, or that of the API."""
    showing, talking = bench.program.showing(bench.secrets)
    bench.verdict.equal(f"runs that show one of {len(bench.secrets)} secrets", showing, 0)
    bench.verdict.check("runs that say anything", talking > 0 and bench.secrets)


if __name__ == "__main__":
    main()
