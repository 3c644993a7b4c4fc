"""Holds the program's Delta tables against three independent readers, under restatements, deaths, company and cleaning.

    check_delta.py BINARY [--only whole,company,…] [--places disk,s3,az] [--kills 15]

BINARY serves (`simulate`), loads (`sync --layout delta`) and is believed in nothing: tables are read by deltalake, Polars
and DuckDB, their log is replayed by hand, and rows are compared with a hive lake that PyArrow reads and with the
simulator's integers. Spark is not run: it takes Delta jars.
"""

import argparse
import logging
import signal
import sys
import time

import delta_faults
import delta_lakes
import servers
from bench import Bench
from verdict import Verdict

CHECKS = {
    "whole": delta_lakes.check,
    "foreign": delta_faults.foreign,
    "company": delta_faults.company,
    "commits": delta_faults.commits,
    "deaths": delta_faults.deaths,
}
PLACES = ("disk", "s3", "az")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CHECKS), help="of these checks: " + ",".join(CHECKS))
    parser.add_argument("--places", type=lambda text: text.split(","), default=list(PLACES), help="of these: " + ",".join(PLACES))
    parser.add_argument("--kills", type=int, default=18, help="deaths, a place: on disk at random moments, on stores around so many of its writes")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of two runs at once, a place")
    return parser.parse_args()


def main():
    asked, verdict = options(), Verdict()
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, servers.end_by_signal)
    with servers.both() as stores:
        bench = Bench(asked.binary, stores, verdict, 0)
        bench.above = "team-"  # Polars takes no Delta table below a folder `name=value`
        bench.kills, bench.rounds = asked.kills, asked.rounds
        try:
            for name in asked.only:
                for kind in asked.places:
                    begin, before = time.monotonic(), verdict.passed
                    CHECKS[name](bench, kind)
                    print(f"{name} on {kind}: {verdict.passed - before} passed in {time.monotonic() - begin:.0f} s", flush=True)
            showing, talking = bench.program.showing(bench.secrets)
            verdict.equal(f"runs that show one of {len(bench.secrets)} secrets", showing, 0)
            verdict.check("runs that say anything", talking > 0 and bench.secrets)
        finally:
            bench.remove()
    print("Spark on Delta tables: not run, it takes Delta jars")
    sys.exit(verdict.end())


if __name__ == "__main__":
    main()
