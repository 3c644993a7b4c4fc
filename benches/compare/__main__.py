"""Compares billing-lake with other ways from billing JSON to Parquet. Started by `benches/compare/run`."""

import argparse
import collections
import datetime
import decimal
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
from typing import Any

import measure
import report
import surroundings
from peers import BILLING_LAKE, CODECS, GZIP, LINES, PAGES, PEERS, Peer
from results import Comparison, Kind, Result

KINDS = tuple(report.KINDS)
ROWS, RUNS, SHARE = 400_000, 3, 8
Key = tuple[str, str]
"""A peer and a codec."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benches/compare/run", description=__doc__)
    parser.add_argument(
        "--rows", type=int, help="rows of each kind of data, 1,000 a page (default 400000: 586 MB a kind)"
    )
    parser.add_argument("--runs", type=int, help="interleaved runs; the medians count (default 3)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of data (default %(default)s)")
    parser.add_argument(
        "--peers", default=",".join(peer.key for peer in PEERS), help="who takes part (default %(default)s)"
    )
    parser.add_argument("--codecs", default=",".join(CODECS), help="codecs (default %(default)s)")
    parser.add_argument("--share", type=int, help="slow peers get one row in so many (default 8)")
    parser.add_argument("--spark", action="store_true", help="let Spark read the files too; needs Java 17 or later")
    parser.add_argument(
        "--quick", action="store_true", help="20000 rows, 1 run: to see it work; figures of so little data mislead"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, help="where the documents go (default docs; with --quick the work folder)"
    )
    parser.add_argument("--render", action="store_true", help="only draw the documents anew from comparison.json")
    parser.add_argument("--check", action="store_true", help="with --render: only say whether they would change")
    parser.add_argument("--program", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/compare"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rows = options.rows or (20_000 if options.quick else ROWS)
    options.runs = options.runs or (1 if options.quick else RUNS)
    options.share = options.share or (1 if options.quick else SHARE)
    options.out = options.out or (options.work if options.quick else pathlib.Path("docs"))
    for name, known in (("kinds", KINDS), ("codecs", CODECS), ("peers", [peer.key for peer in PEERS])):
        chosen = getattr(options, name).split(",")
        if unknown := set(chosen) - set(known):
            parser.error(f"--{name}: {', '.join(sorted(unknown))}: none of {', '.join(known)}")
        setattr(options, name, [one for one in known if one in chosen])
    if BILLING_LAKE.key not in options.peers:
        parser.error("--peers: billing-lake is what the others are compared with")
    return options


def tell(text: str) -> None:
    """Progress, for people."""
    print(f"== {text}", file=sys.stderr, flush=True)


# --- one conversion ---------------------------------------------------------------------------------------------------


def convert(
    peer: Peer, codec: str, data: pathlib.Path, out: pathlib.Path, options: argparse.Namespace
) -> measure.Usage:
    """Lets a peer make the file `out` of the data, and says what that took."""
    source = {PAGES: "pages", GZIP: "gzip", LINES: "share.ndjson" if peer.slow else "lines.ndjson"}[peer.reads]
    out.unlink(missing_ok=True)
    if peer.key not in (BILLING_LAKE.key, "billing-lake-gzip"):
        worker = pathlib.Path(__file__).with_name("worker.py")
        return measure.run([sys.executable, str(worker), peer.key, str(data / source), str(out), codec], options.work)
    lake = options.work / "lake"
    shutil.rmtree(lake, ignore_errors=True)
    words = [
        "--enrollment",
        "100",
        "--dest",
        str(lake),
        "--compression",
        "zstd:3" if codec == "zstd" else codec,
        "--quiet",
    ]
    usage = measure.run([options.program, "convert", str(data / source), *words], options.work)
    (made,) = (lake / "usage_details").rglob("*.parquet")
    made.rename(out)
    return usage


def start(peer: Peer, options: argparse.Namespace) -> measure.Usage:
    """What a peer takes to start. Nothing is taken off billing-lake."""
    if peer.reads == GZIP or peer is BILLING_LAKE:
        return measure.Usage(0.0, 0.0, 0)
    worker = pathlib.Path(__file__).with_name("worker.py")
    return measure.run([sys.executable, str(worker), peer.key], options.work)


def runs(kind: Kind, share_rows: int, data: pathlib.Path, files: pathlib.Path, options: argparse.Namespace) -> None:
    """All conversions of one kind of data, interleaved: each run has every peer once with every codec, and each run
    begins with another peer, so that no one is always first or always behind the same neighbour."""
    peers = [peer for peer in PEERS if peer.key in options.peers]
    usages: dict[Key, list[measure.Usage]] = collections.defaultdict(list)
    starts: dict[str, list[float]] = collections.defaultdict(list)
    failed: dict[Key, str] = {}
    for run in range(options.runs):
        for peer in peers[run % len(peers) :] + peers[: run % len(peers)]:
            try:
                starts[peer.key].append(start(peer, options).cpu)
            except measure.FailedError as reason:
                failed |= {(peer.key, codec): f"it does not start: {reason}" for codec in options.codecs}
            for codec in options.codecs:
                key = (peer.key, codec)
                if key in failed:
                    continue
                try:
                    usages[key].append(convert(peer, codec, data, files / f"{peer.key}-{codec}.parquet", options))
                    tell(
                        f"{kind.name}, run {run + 1}: {peer.title}, {CODECS[codec]}: {usages[key][-1].cpu:.2f} s of CPU"
                    )
                except measure.FailedError as reason:
                    failed[key] = str(reason)
                    tell(f"{kind.name}, run {run + 1}: {peer.title}, {CODECS[codec]}: FAILED, {reason}")
    for codec in options.codecs:
        for peer in peers:
            result = Result(peer.key, codec, share_rows if peer.slow else kind.rows)
            kind.results.append(result)
            result.failed = failed.get((peer.key, codec))
            if result.failed:
                continue
            took, result.start = usages[peer.key, codec], statistics.median(starts[peer.key])
            cpus = [usage.cpu - result.start for usage in took]
            result.cpu, result.cpu_least, result.cpu_most = statistics.median(cpus), min(cpus), max(cpus)
            result.wall = statistics.median(usage.wall for usage in took)
            result.peak = int(statistics.median(usage.peak for usage in took))
            result.file = (files / f"{peer.key}-{codec}.parquet").stat().st_size


# --- what the files hold, and what reading them costs -----------------------------------------------------------------


def look(
    kind: Kind, files: pathlib.Path, contract: list[dict[str, str]], spark: bool, options: argparse.Namespace
) -> list[str]:
    """Looks into the files. Returns what is wrong with billing-lake's; what is wrong with another's makes it failed."""
    wrong: list[str] = []
    for codec in options.codecs:
        results = {result.peer: result for result in kind.results if result.codec == codec}
        for result in results.values():
            if result.failed and result.peer.startswith(BILLING_LAKE.key):
                wrong.append(f"{kind.name}, {codec}, {result.peer}: {result.failed}")
        asked: list[dict[str, Any]] = [
            {
                "key": key,
                "path": str(files / f"{key}-{codec}.parquet"),
                "whole": result.rows == kind.rows,
                "rows": result.rows,
            }
            for key, result in results.items()
            if not result.failed
        ]
        found = measure.ask("files.py", {"contract": contract, "files": asked})
        for key, told in found.items():
            wrong += judge(kind, results[key], told)
        if not spark:
            continue
        whole = [entry for entry in asked if entry["whole"] and not results[entry["key"]].failed]
        for key, told in measure.ask("spark.py", {"contract": contract, "files": whole}).items():
            results[key].scan_spark, results[key].spark_refused = told.get("seconds"), told.get("refused")
    return wrong


def judge(kind: Kind, result: Result, told: dict[str, Any]) -> list[str]:
    """Takes over what was found in a file, and returns what must not be: rows that are missing, and sums of billing-lake
    that are not exact. A file that cannot be read makes its peer failed."""
    where = f"{kind.name}, {result.codec}, {result.peer}"
    ours = result.peer.startswith(BILLING_LAKE.key)
    if reason := told.get("failed"):
        result.failed = f"DuckDB cannot read its file: {reason}"
        return [f"{where}: {result.failed}"] if ours else []
    if told["rows"] != result.rows:
        result.failed = f"{told['rows']} rows of {result.rows} in its file"
        return [f"{where}: {result.failed}"]
    result.cost, result.money, result.other_cells = told["cost"], told["money"], told["other_cells"]
    result.scan_text, result.scan_money = told.get("scan_text"), told.get("scan_money")
    if not ours:
        return []
    exact = {"cost": told["cost"], "consumedQuantity": told["quantity"]}
    return [
        f"{where}: sum({field}) is {exact[field]} in its file, and {kind.sums[field]} in the text"
        for field in exact
        if not same(exact[field], kind.sums[field])
    ]


def same(left: str, right: str) -> bool:
    """Whether two decimals are the same number, whatever zeros they end with."""
    return decimal.Decimal(left) == decimal.Decimal(right)


# --- the command ------------------------------------------------------------------------------------------------------


def command(options: argparse.Namespace) -> str:
    """How the same is measured again."""
    chosen = {"rows": options.rows, "runs": options.runs, "share": options.share}
    usual = {"rows": ROWS, "runs": RUNS, "share": SHARE, "kinds": list(KINDS), "codecs": list(CODECS)}
    usual |= {"peers": [peer.key for peer in PEERS]}
    chosen |= {name: getattr(options, name) for name in ("kinds", "codecs", "peers")}
    words = ["benches/compare/run", *(["--spark"] if options.spark else [])]
    for name, value in chosen.items():
        if value != usual[name]:
            words += [f"--{name}", ",".join(value) if isinstance(value, list) else str(value)]
    return " ".join(words)


def compare(options: argparse.Namespace) -> tuple[Comparison, list[str]]:
    """Makes, measures and checks; one kind of data after the other, so that the disk holds one at a time."""
    no_spark = surroundings.why_no_spark(options.spark)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    comparison = Comparison(
        today,
        command(options),
        options.rows,
        options.runs,
        surroundings.machine(),
        surroundings.versions(options.program, not no_spark),
        no_spark,
    )
    described = subprocess.run(
        [options.program, "schema", "usage_details", "--format", "json"], check=True, stdout=subprocess.PIPE
    )
    (dataset,) = json.loads(described.stdout)
    contract = [column for column in dataset["columns"] if column["field"]]  # what the JSON has, not what the lake adds
    data, files = options.work / "data", options.work / "files"
    wrong: list[str] = []
    for name in options.kinds:
        tell(f"{name}: {options.rows:,} rows are made, as pages, packed pages and NDJSON")
        asked = {
            "program": options.program,
            "folder": str(data),
            "kind": name,
            "rows": options.rows,
            "share": options.share,
        }
        made = measure.ask("data.py", asked)
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir(parents=True)
        share_rows = made.pop("share_rows")
        kind = Kind(name, **made)
        comparison.kinds.append(kind)
        runs(kind, share_rows, data, files, options)
        tell(f"{name}: the files are checked and scanned")
        wrong += look(kind, files, contract, not no_spark, options)
    comparison.least_peak = measure.own_peak()
    shutil.rmtree(data)
    return comparison, wrong


def draw_again(options: argparse.Namespace) -> int:
    """Draws the documents from `comparison.json`, or says which of those in place are not what would be drawn."""
    documents = report.documents(Comparison.load(options.out / "comparison.json"))
    stale = [name for name, text in documents.items() if (options.out / name).read_text(encoding="utf-8") != text]
    if options.check:
        for name in stale:
            print(f"{options.out / name} is not what `benches/compare/run --render` draws from comparison.json")
        return 1 if stale else 0
    for name, text in documents.items():
        (options.out / name).write_text(text, encoding="utf-8")
    return 0


def main() -> int:
    """Returns the exit code."""
    options = arguments()
    if options.render:
        return draw_again(options)
    options.work.mkdir(parents=True, exist_ok=True)
    comparison, wrong = compare(options)
    print(report.tables(comparison))
    if wrong:
        comparison.save(options.work / "comparison.json")
        for told in wrong:
            print(f"WRONG: {told}")
        print(f"No document was written; what was found is in {options.work / 'comparison.json'}.")
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    comparison.save(options.out / "comparison.json")
    for name, text in report.documents(comparison).items():
        (options.out / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
