"""Counts what queries see while the billing period that they read is replaced, for each reader, place and layout.

    mixes.py BINARY [--queries N] [--aimed N] [--seconds N] [--json FILE] [--markdown FILE] [--only TEXT,…]

A query's answer is **whole** when rows, exact sums and the hashes of two texts are those of one state; a **clean failure** is
an error after which the next answer is whole; everything else is **wrong**: a mixture, rows that are missing, a period that
is. Replaced is by `billing-lake convert --force`, in two ways: at full speed, by a thread that never rests, and aimed, once a
query: on a store exactly in front of its n-th read, for n from the first to the last; on disk at a moment of it, while the
reader's process stands still. A cell of local disk or of a Delta table that is wrong ends this with 1.

The layout `plain` is for comparison: copies by PyArrow that have no salt, put over one key or renamed over one name. What
is wrong there shows that the measuring finds what there is.
"""

import argparse
import itertools
import json
import logging
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import mix_table
import servers
from disk import DiskPlace
from mix_cells import Cell, aimed, at_full_speed, learned
from mix_states import SPARK, Publisher, Readers, States, copies
from places import place
from verdict import Verdict

PLACES = ("disk", "s3", "az")
LAYOUTS = ("hive", "delta", "plain")
WAYS = ("fresh", "kept", "aimed", "several")
NAMES = ("DuckDB", "Polars", "PyArrow", "Spark")
GROUPS = (LAYOUTS, PLACES, NAMES, WAYS)
# Where mixtures are known to come: that they are found is checked in every run.
CONTROLS = (("plain", "s3", "Polars", "aimed"), ("plain", "disk", "Spark", "fresh"))
CONTROL = 30  # seconds that one may take, at full speed


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--queries", type=int, default=250, help="of a cell at full speed; half as many with a reader kept open, and over several periods")
    parser.add_argument("--aimed", type=int, default=32, help="of a cell, each with a replacement in the middle")
    parser.add_argument("--seconds", type=int, default=900, help="for all cells together: a cell ends early, with the queries it has")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="cells of these layouts, places, readers and ways, such as Polars,s3,hive,aimed")
    return parser.parse_args()


def cells_of(asked):
    """(layout, place, reader, way) that are run, and why others are not."""
    wanted, left_out = [], {}
    for cell in itertools.product(LAYOUTS, PLACES, NAMES, WAYS):
        layout, kind, name, way = cell
        if name == "Spark" and (layout == "delta" or kind != "disk"):
            left_out[cell] = "it takes Delta jars" if layout == "delta" else "it takes S3A or ABFS jars"
        elif layout == "plain" and way in ("kept", "several"):
            continue
        elif cell not in CONTROLS and not all(word in asked.only or not set(asked.only) & set(group) for word, group in zip(cell, GROUPS)):
            continue
        elif name == "Spark" and not SPARK.exists():
            left_out[cell] = f"{SPARK} is missing"
        else:
            wanted.append(cell)
    return wanted, left_out


def measure(asked, stores, readers, work, verdict):
    numbers = itertools.count(1)
    places = lambda kind: DiskPlace(f"lake-{next(numbers)}") if kind == "disk" else place(stores, kind, f"mixes/{kind}-{next(numbers)}")
    states = States(asked.binary, work)
    wanted, left_out = cells_of(asked)
    plain = copies(asked.binary, places, states)
    expected, versions = {}, {}
    for name in dict.fromkeys(cell[2] for cell in wanted):
        with places("disk") as at:
            expected[name] = learned(readers, at, plain, name)
        versions[name] = readers.processes[name].version
        for (question, state, period), truth in states.truth.items():
            got = ((expected[name][question][state] or {}).get(period) or [])[:3]
            verdict.equal(f"{name}: state {state} of {period} of {question}, at rest", got, truth)
    found, until = {}, time.monotonic() + asked.seconds
    for left, cell in zip(range(len(wanted), 0, -1), wanted):
        layout, kind, name, way = cell
        seconds = max((until - time.monotonic()) / left, 0.5)
        question = "several" if way == "several" else "one"
        with places(kind) as at, at.beside() as way_of_writer:
            publisher = Publisher(asked.binary, way_of_writer, layout, states, question, plain)
            counts = Cell(expected[name][question])
            if way == "aimed":
                aimed(readers, name, at, publisher, counts, asked.aimed, seconds)
            elif cell in CONTROLS:
                at_full_speed(readers, name, at, publisher, counts, asked.queries, CONTROL, until_wrong=True)
            else:
                queries = asked.queries if way == "fresh" else asked.queries // 2
                at_full_speed(readers, name, at, publisher, counts, queries, seconds, keep=way == "kept")
        found[cell] = counts
        verdict.equal(f"{' '.join(cell)}: what publications said", publisher.complaints, [])
        judge(verdict, cell, counts)
        print(f"{' '.join(cell)}: {counts.queries} queries over {counts.replaced} replacements: {counts.whole} whole, {counts.clean} clean failures, "
              f"{counts.wrong} wrong{' ' + str(counts.samples[:1]) if counts.samples else ''}", flush=True)  # fmt: skip
    return found, left_out, versions


def judge(verdict, cell, counts):
    layout, kind, name, way = cell
    told = " ".join(cell)
    verdict.check(f"{told}: something was asked and replaced", counts.queries and counts.replaced)
    known = way == "several" and layout == "hive"  # docs/lake.md: a name that vanished is passed over
    if layout == "delta" or (kind == "disk" and layout == "hive" and not known):
        verdict.check(f"{told}: nothing is wrong", counts.wrong == 0, f"{counts.wrong} of {counts.queries}: {counts.samples[:3]}")
        verdict.check(f"{told}: answers were seen", counts.whole > 0 or counts.queries < 10)
    if cell in CONTROLS:
        verdict.check(f"{told}: the measuring finds mixtures", counts.wrong > 0)


def main():
    asked, verdict = options(), Verdict()
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, servers.end_by_signal)
    work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-mixes-"))
    try:
        with servers.both() as stores, Readers() as readers:
            found, left_out, versions = measure(asked, stores, readers, work, verdict)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    cells = [dict(zip(mix_table.KEYS, cell)) | counts.as_json() for cell, counts in found.items()]
    cells += [dict(zip(mix_table.KEYS, cell)) | {"not_run": why} for cell, why in left_out.items()]
    told = {"versions": versions, "cores": os.cpu_count(), "cells": cells}
    table = mix_table.markdown([told])
    print("\n" + table)
    if asked.markdown:
        asked.markdown.write_text(table)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    sys.exit(verdict.end())


if __name__ == "__main__":
    main()
