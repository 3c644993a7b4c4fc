"""Replaces an object between two requests of one query, for each request that the query makes for it.

An answer is that of the old file or of the new one, or an error; nothing in between. Not all readers tell the store which
version they mean: what saves them is that pages begin elsewhere in each file.
"""

import polars
import pyarrow.dataset

import readers
from bench import AMOUNTS, plain, truth_of, usage_key
from faulty import Before, Rule

PERIOD, KEY = "2024-01", usage_key("100", "2024-01")
ROWS = 40_000
FORM = ("--compression", "none")
MOST = 12  # requests of a query that are tried
READS = {"method": ("GET", "HEAD"), "path": r"/data\.parquet$"}


def duckdb_answers(at):
    sums = ", ".join(f"sum({name})" for name in AMOUNTS)
    url = readers.url_for_readers(at, KEY)
    return readers.duckdb_on(at, at.proxy.endpoint).execute(f"SELECT count(*), {sums} FROM read_parquet('{url}')").fetchone()


def polars_answers(at):
    options = readers.storage_options(at, at.proxy.endpoint)
    frame = polars.scan_parquet(readers.url_for_readers(at, KEY), storage_options=options)
    return frame.select(polars.len(), *(polars.col(name).sum() for name in AMOUNTS)).collect().row(0)


def pyarrow_answers(at):
    found = pyarrow.dataset.dataset(f"{at.bucket}/{at.whole(KEY)}", filesystem=readers.file_system(at, at.proxy.endpoint), format="parquet")
    table = found.to_table(columns=AMOUNTS)
    return (table.num_rows, *(readers.pyarrow.compute.sum(table[name]).as_py() for name in AMOUNTS))


QUERIES = {"DuckDB": duckdb_answers, "Polars": polars_answers, "PyArrow": pyarrow_answers}


def check(bench, kind):
    told = f"{kind}, replaced between reads"
    with bench.service(months=1, rows_per_month=ROWS, data="unique", page_rows=5000) as service, bench.place(kind, "replaced") as at:
        states, bodies = [], []
        for _ in range(2):
            bench.succeeds(told, bench.program.sync(at, service, *FORM, datasets="usage_details"), "ok")
            states.append(truth_of(service)["100", PERIOD])
            bodies.append(at.get(KEY))
            service.restate("100", PERIOD.replace("-", ""))
        bench.verdict.check(f"{told}: two versions", states[0] != states[1] and bodies[0] != bodies[1])
        for reader, answers in QUERIES.items():
            seen = {"old": 0, "new": 0, "error": 0, "mixed": 0}
            at.put(KEY, bodies[0])
            at.proxy.play()
            bench.verdict.equal(f"{told}: {reader} undisturbed", as_state(answers(at)), states[0])
            count = len(at.proxy.asked(**READS))
            bench.verdict.check(f"{told}: {reader} asks more than once", count > 1, f"{count} requests")
            for number in range(1, min(count, MOST) + 1):
                at.put(KEY, bodies[0])
                (rule,) = at.proxy.play(Rule(Before(lambda _: at.put(KEY, bodies[1])), first=number, times=1, **READS))
                said, got = [], None
                with readers.told(said):
                    got = as_state(answers(at))
                at.proxy.play()
                end = "error" if said else "old" if got == states[0] else "new" if got == states[1] else "mixed"
                seen[end] += 1
                bench.verdict.check(f"{told}: {reader}, before request {number} of {count}", end != "mixed", f"{got} is none of {states}")
                bench.verdict.check(f"{told}: {reader}, before request {number}: it was", rule.played == 1 or end in ("old", "error"))
            print(f"  {told}: {reader}, {count} requests: " + ", ".join(f"{end} {times}" for end, times in seen.items()))


def as_state(row):
    return row[0], tuple(map(plain, row[1:]))
