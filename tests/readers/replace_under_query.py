"""Counts what queries see while the billing period they read is replaced.

    replace_under_query.py BIN [--queries 1000] [--replacements 20]

One thread restates a period and syncs it, again and again; DuckDB counts and sums its rows meanwhile. Every answer must
be one whole version, no older than the newest one published before the query began, or a clean error: one that says that
a file is not there (any more), not one about what stands in it.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import duckdb

from plain_reading import plain
from service import Service

ROWS = 20_000
CLEAN = ("No files found", "Cannot open file", "No such file")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("--queries", type=int, default=1000, help="queries at least")
    options.add_argument("--replacements", type=int, default=20, help="replacements at least")
    options = options.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-replace-"))
    service = Service(options.binary, seed=11, enrollments="100", months=1, rows_per_month=ROWS, page_rows=5000, **{"from": "2024-02"})
    try:
        versions, answers, problems = observe(service, work / "lake", options)
    finally:
        service.stop()
        shutil.rmtree(work)
    sys.exit(judge(versions, answers, problems))


def observe(service, dest, options):
    """Runs both sides. `versions[n]` is what the file held after the n-th publication (rows, cost)."""
    versions, problems, answers = [], [], []
    # A version may be seen from the moment its sync begins, and must be seen once its sync has ended.
    begun = published = 0

    def publish():
        nonlocal begun, published
        truth = service.truth()["enrollments"]["100"]["202402"]
        versions.append((truth["rows"], truth["sums"]["cost"]))
        begun = len(versions)
        code, report = service.sync(dest, "100", "--recheck", "all")
        parts = [part for part in (report or {}).get("slices", []) if part["dataset"] == "usage_details"]
        if code or [part["outcome"] for part in parts] != ["published"]:
            problems.append(f"sync {len(versions)}: {service.complaint or parts}")
            return False
        if (parts[0]["rows"], parts[0]["control_totals"]["cost"]) != versions[-1]:
            problems.append(f"sync {len(versions)}: the report says {parts[0]['rows']} rows, {parts[0]['control_totals']}, served {versions[-1]}")
        published = len(versions)
        return True

    stopped = threading.Event()

    def replace():
        while not stopped.is_set():
            service.restate("100", "202402")
            if not publish():
                break
        stopped.set()

    if not publish():
        return versions, answers, problems
    writer = threading.Thread(target=replace)
    writer.start()
    glob = f"{dest}/usage_details/*/billing_period=2024-02/*.parquet"
    question = f"SELECT count(*), sum(cost), count(DISTINCT instance_id || meter_id) FROM read_parquet('{glob}')"
    short = f"SELECT count(*), sum(cost), NULL FROM read_parquet('{dest}/usage_details/**/*.parquet', hive_partitioning=true) WHERE billing_period = '2024-02'"
    connection = duckdb.connect()
    begin = time.monotonic()
    try:
        while (len(answers) < options.queries or len(versions) <= options.replacements) and not stopped.is_set():
            if len(answers) % 50 == 0:
                connection = duckdb.connect()
            oldest = published
            try:
                rows, cost, _ = connection.execute(question if len(answers) % 2 else short).fetchone()
                answers.append((oldest, begun, (rows, plain(cost) if cost is not None else None)))
            except duckdb.Error as error:
                answers.append((oldest, begun, str(error).splitlines()[0]))
    finally:
        stopped.set()
        writer.join()
    print(f"{len(answers)} queries over {len(versions) - 1} replacements in {time.monotonic() - begin:.1f} s")
    return versions, answers, problems


def judge(versions, answers, problems):
    known = {version: number for number, version in enumerate(versions, 1)}
    whole, errors, wrong, seen = 0, {}, [], set()
    for at, (oldest, newest, answer) in enumerate(answers):
        if isinstance(answer, str):
            kind = answer.split("/")[0].split('"')[0].strip()
            if any(words in answer for words in CLEAN):
                errors[kind] = errors.get(kind, 0) + 1
            else:
                wrong.append(f"query {at}: {answer}")
        elif oldest <= known.get(answer, 0) <= newest:
            whole += 1
            seen.add(known[answer])
        else:
            wrong.append(f"query {at}: {answer}, which is version {known.get(answer, 'unknown')}; versions {oldest} to {newest} were possible")
    for line in problems + wrong[:20]:
        print(f"FAILED {line}")
    for kind, count in errors.items():
        print(f"clean error, {count} times: {kind}")
    print(f"whole {whole} ({len(seen)} versions seen), clean errors {sum(errors.values())}, wrong {len(wrong)}")
    failed = len(wrong) + len(problems)
    if len(known) < len(versions):
        failed += 1
        print("FAILED two versions look alike: the queries cannot tell them apart")
    if whole == 0 or len(versions) < 2:
        failed += 1
        print("FAILED nothing was observed")
    print(f"{whole + sum(errors.values())} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
