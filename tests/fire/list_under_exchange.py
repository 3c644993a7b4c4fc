"""Counts what readers see when the folder that they list is exchanged at that moment.

    list_under_exchange.py BINARY [--seconds 10] [--pause 0.02]

One process exchanges the folder of one billing period with another version of it, again and again, as a publication does;
readers count the rows of the whole dataset meanwhile. An answer is whole when it holds every period in one version. A
reader that lists names and then looks at each (DuckDB and PyArrow do) can find that a name is gone, and take it for
nothing: then one period is missing from an answer that is no error. A reader that is given the names fails instead.

This is a measurement: it prints a table, and fails only where a number of rows is neither whole nor short of that period.
"""

import collections
import ctypes
import multiprocessing
import os
import sys
import time

import arena
import lakes
from billing_api import PERIODS, TRUTH

EXCHANGE, HERE = 2, -100


def exchange(staged, place, pause, stop, done):
    libc = ctypes.CDLL(None, use_errno=True)
    while not stop.is_set():
        if libc.renameat2(HERE, os.fsencode(staged), HERE, os.fsencode(place), EXCHANGE):
            raise OSError(ctypes.get_errno(), "renameat2")
        with done.get_lock():
            done.value += 1
        time.sleep(pause)


def readers(lake):
    import duckdb
    import polars
    import pyarrow.dataset

    top = f"{lake}/usage_details"
    connection = duckdb.connect(config={"threads": 1})

    def by_duckdb(files):
        return connection.execute("SELECT count(*) FROM read_parquet(?, hive_partitioning = true)", [files]).fetchone()[0]

    def listed():
        folders = [folder.path for above in os.scandir(top) for folder in os.scandir(above)]
        return [f"{folder}/{name}" for folder in folders for name in os.listdir(folder)]

    return {
        "DuckDB, usage_details/*/*/*.parquet": lambda: by_duckdb(f"{top}/*/*/*.parquet"),
        "DuckDB, usage_details/**/*.parquet": lambda: by_duckdb(f"{top}/**/*.parquet"),
        "DuckDB, files listed by name before": lambda: by_duckdb(listed()),
        "DuckDB, the folder of the period": lambda: by_duckdb(f"{lake}/{lakes.folder_of(PERIODS[0])}/*.parquet"),
        "Polars, usage_details/": lambda: polars.scan_parquet(f"{top}/", hive_partitioning=True).select(polars.len()).collect().item(),
        "PyArrow, usage_details": lambda: pyarrow.dataset.dataset(top, partitioning="hive").count_rows(),
    }


def main():
    parser = arena.options(__doc__, workers=1)
    parser.add_argument("--seconds", type=float, default=10, help="for each reader")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two exchanges")
    options = parser.parse_args()
    tally = arena.Tally()
    with arena.arena(options) as place:
        lake, other = place.lake(), place.lake()
        lakes.copy(place.prepared, lake)
        lakes.copy(place.prepared, other)
        if (ran := lakes.run(options.binary, place.api.endpoint, other, "B")).code != 0:
            raise SystemExit(ran.said())
        folder = lakes.folder_of(PERIODS[0])
        both = {TRUTH[version][PERIODS[0]][0] for version in "AB"}
        rest = TRUTH["A"][PERIODS[1]][0]
        print(f"{'reader':38} exchanges   whole  clean errors  period missing  other")
        for name, ask in readers(lake).items():
            single = "the folder" in name
            whole = both if single else {rows + rest for rows in both}
            seen, errors = collections.Counter(), collections.Counter()
            stop, done = multiprocessing.Event(), multiprocessing.Value("q", 0)
            swapper = multiprocessing.Process(target=exchange, args=(f"{other}/{folder}", f"{lake}/{folder}", options.pause, stop, done))
            swapper.start()
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                try:
                    seen[ask()] += 1
                except Exception as error:  # each reader has its own kinds
                    errors[f"{type(error).__name__}: {str(error).splitlines()[0][:60]}"] += 1
            stop.set()
            swapper.join()
            missing = 0 if single else seen[rest]
            wrong = {rows: times for rows, times in seen.items() if rows not in whole and (single or rows != rest)}
            right = sum(times for rows, times in seen.items() if rows in whole)
            print(f"{name:38} {done.value:9} {right:7} {errors.total():13} {missing:15}  {wrong or ''}")
            tally.case(name, [f"{rows} rows, {times} times" for rows, times in wrong.items()] + ([] if right else ["no answer"]))
    sys.exit(tally.verdict())


if __name__ == "__main__":
    main()
