"""The documents of a comparison: docs/comparison.md with its tables, and the chart beside it."""

import decimal

import chart
from peers import CODECS, LINES, MAIN, PEERS, Peer, peer
from results import Comparison, Kind, Result

KINDS = {
    "repeating": "every day lists nearly the same resources and meters in nearly the same order, as bills are said to",
    "shuffled": "the same rows in no order",
    "unique": "every row has a resource id, tags and additional information of its own",
    "drawn-repeating": "rows that the simulator has no part in: each pairs one of 20,768 resources with one of 3,000 meters "
    "at random, and nearly the same pairs come in nearly the same order each day",
    "drawn-shuffled": "these rows in no order",
    "drawn-unique": "these rows, with a resource id, tags and additional information of its own in each",
}


def table(head: list[str], rows: list[list[str]], figures: bool = True) -> str:
    """A table in Markdown: the first column to the left, the others to the right when they hold figures."""
    lines = [head, ["---", *["---:" if figures else "---"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def megabytes(count: float) -> str:
    """As people write it."""
    return f"{count / 1e6:,.1f} MB" if count < 1e8 else f"{count / 1e6:,.0f} MB"


def milliseconds(seconds: float | None) -> str:
    """As people write it; nothing measured is a dash."""
    return "–" if seconds is None else f"{seconds * 1e3:,.0f} ms"


def title(result: Result, kind: Kind) -> str:
    """A peer's name, with its share of the rows if it had not all."""
    name = peer(result.peer).title
    return name if result.rows == kind.rows else f"{name} ({result.rows:,} rows)"


def whole_cpu(result: Result, kind: Kind) -> float:
    """CPU seconds for all rows: measured, or extrapolated from a share."""
    return result.cpu * kind.rows / result.rows


def ratio(result: Result, kind: Kind, codec: str) -> str:
    """How many times billing-lake's CPU seconds."""
    ours = next(one for one in kind.results if one.peer == MAIN[0] and one.codec == codec)
    if ours.failed or result.failed or ours.cpu <= 0 or result.cpu <= 0:
        return "–"
    return f"{whole_cpu(result, kind) / ours.cpu:.1f}"


def off(result: Result, kind: Kind) -> str:
    """How far the file's sum(cost) is from the exact one."""
    if result.rows != kind.rows:
        return "–"
    difference = decimal.Decimal(result.cost) - decimal.Decimal(kind.sums["cost"])
    return "exact" if not difference else f"{difference:.1e}"


def summary(comparison: Comparison, codec: str) -> str:
    """CPU seconds of the main peers over all kinds, and how many times billing-lake's that is."""
    rows = []
    for key in MAIN:
        cells, share = [], False
        for kind in comparison.kinds:
            result = next((one for one in kind.results if (one.peer, one.codec) == (key, codec)), None)
            if result is None or result.failed:
                cells.append("–" if result is None else "failed")
                continue
            share |= result.rows != kind.rows
            seconds = f"{whole_cpu(result, kind):.2f} s"
            cells.append(seconds if key == MAIN[0] else f"{seconds} ({ratio(result, kind, codec)} ×)")
        if any(cell != "–" for cell in cells):
            rows.append([peer(key).title + (" ¹" if share else ""), *cells])
    return table([CODECS[codec], *[kind.name for kind in comparison.kinds]], rows)


def detail(comparison: Comparison, kind: Kind, codec: str) -> str:
    """Everything that was measured for one kind of data with one codec."""
    head = [
        "",
        "CPU (least–most)",
        "× billing-lake",
        "start, off",
        "wall",
        "peak memory",
        "file",
        "money is",
        "sum(cost) off by",
    ]
    head += ["scan, text", "scan, money"] + ([] if comparison.spark else ["scan, Spark"])
    rows = []
    for result in (one for one in kind.results if one.codec == codec):
        if result.failed:
            rows.append([title(result, kind), f"failed: {result.failed}", *[""] * (len(head) - 2)])
            continue
        row = [
            title(result, kind),
            f"{result.cpu:.2f} s ({result.cpu_least:.2f}–{result.cpu_most:.2f})",
            ratio(result, kind, codec),
            f"{result.start:.2f} s" if result.start else "–",
            f"{result.wall:.2f} s",
            ("at most " if result.peak <= comparison.least_peak * 1.01 else "") + megabytes(result.peak),
            megabytes(result.file),
            result.money.replace("DECIMAL(38,18)", "DECIMAL(38, 18)"),
            off(result, kind),
            milliseconds(result.scan_text),
            milliseconds(result.scan_money),
        ]
        if not comparison.spark:
            row.append("refused" if result.spark_refused else milliseconds(result.scan_spark))
        rows.append(row)
    return table(head, rows)


def notes(comparison: Comparison, kind: Kind) -> list[str]:
    """What the tables of a kind leave to be said: cells that differ, files that Spark refused."""
    told: dict[str, list[str]] = {}
    for result in kind.results:
        if result.other_cells:
            fields = ", ".join(f"`{field}`" for field in result.other_cells)
            told.setdefault(f"not every cell is the one in billing-lake's file: {fields}", []).append(result.peer)
        if result.spark_refused:
            told.setdefault(f"Spark refused the file: {result.spark_refused}", []).append(result.peer)
    return [f"- {', '.join(peer(key).title for key in dict.fromkeys(keys))}: {what}." for what, keys in told.items()]


def tables(comparison: Comparison) -> str:
    """All tables, as the document has them."""
    codecs = [codec for codec in CODECS if any(one.codec == codec for kind in comparison.kinds for one in kind.results)]
    parts = ["## In short", f"CPU seconds (user and system) for {comparison.rows:,} rows."]
    parts += [summary(comparison, codec) for codec in codecs]
    if any(one.rows != kind.rows for kind in comparison.kinds for one in kind.results):
        parts.append("¹ measured on a share of the rows (below) and multiplied.")
    for kind in comparison.kinds:
        sizes = f"{megabytes(kind.page_bytes)} in {kind.pages:,} pages, {megabytes(kind.gzip_bytes)} packed"
        parts += [f"## {kind.name.capitalize()} rows", f"{KINDS[kind.name].capitalize()}: {sizes}."]
        for codec in codecs:
            parts += [f"### {kind.name.capitalize()}, {CODECS[codec]}", detail(comparison, kind, codec)]
        if said := notes(comparison, kind):
            parts.append("\n".join(said))
    return "\n\n".join(parts)


def _what_was_done(comparison: Comparison) -> str:
    peers: list[Peer] = [
        one for one in PEERS if any(one.key == found.peer for kind in comparison.kinds for found in kind.results)
    ]
    rows = [[one.title, "NDJSON" if one.reads == LINES else one.reads, one.how] for one in peers]
    calls = table(["", "reads", "call"], rows, figures=False)
    spark = (
        f"Spark did not read the files: {comparison.spark}."
        if comparison.spark
        else "*Scan, Spark* is wall time with `local[2]`,\n"
        "median of 3, for `bit_xor(xxhash64(column))` of the same columns."
    )
    return f"""## What was measured

{calls}

The others run on one thread, billing-lake decodes on one and encodes on another; CPU seconds count all threads. Each runs in a process of its own, {comparison.runs} times, interleaved, input in the page
cache. *CPU* is what the kernel counted for the process (user and system, `wait4`); of peers in Python the start is taken off:
interpreter, imports and the engine's own start, measured by itself in the same run. Nothing is taken off billing-lake.
*Wall* is from start to end, with it. *Peak memory* is the kernel's, interpreter and all; billing-lake keeps within
`--memory` (256 MiB) whatever the size. *Scan, text* is DuckDB's CPU time on one thread for `bit_xor(hash(column))` of all
columns but the money, *scan, money* for the sums of the money, medians of 7. {spark}

What is checked before a figure is printed: the rows of every file are counted; the sums of `cost` and `consumedQuantity`
of billing-lake's file are, digit for digit, those that Python's `decimal` adds up from the JSON text, or the command
fails; and all cells of the other columns are compared with billing-lake's, by a sum of hashes (of those that got a share
of the rows only the rows are counted)."""


def _caveats(comparison: Comparison) -> str:
    about = {"measured on": comparison.date} | comparison.machine | comparison.versions
    made_with = table(["made with", ""], [[name, value] for name, value in about.items()], figures=False)
    return f"""## Before you quote this

- The data is made up: by the simulator, and by a second generator (`benches/compare/drawn.py`) that knows nothing of it. No
  kind is a real bill. How much a bill repeats decides how fast billing-lake is; the kinds are meant as a range.
- The others are general readers that find out the columns for themselves and take any JSON; billing-lake knows the fields
  of a bill, and keeps what else it finds as text.
- The others read money as DOUBLE, billing-lake as DECIMAL(38, 18): exact, twice as wide, and slower to add up. DuckDB
  stores GUIDs as UUID, which is smaller and quicker to read than text. billing-lake's file has three columns more
  (`extra`, `enrollment_number`, `billing_month`), and is synced to disk and published.
- The others read NDJSON, which the service does not send; *DuckDB, pages* reads what billing-lake reads.
- The others are called as their documentation shows, on one thread. Who knows a better call for one of them finds them
  all in `benches/compare/worker.py`.
- On a shared machine seconds vary; read ratios, and only within one run.

{made_with}"""


def document(comparison: Comparison) -> str:
    """The whole document."""
    return f"""# billing-lake and others

<!-- Written by benches/compare/run from comparison.json; `benches/compare/run --render` writes it again. Do not edit. -->

From billing JSON to one Parquet file: what it costs with billing-lake, and with what else people have at hand.

![Megabytes of JSON a CPU second](comparison.svg)

```sh
{comparison.command}
```

sets everything up, makes the data, measures, checks and writes this document
([its options](performance.md#comparing-with-others)).

{tables(comparison)}

{_what_was_done(comparison)}

{_caveats(comparison)}
"""


def documents(comparison: Comparison) -> dict[str, str]:
    """The document and the chart, by the names of their files."""
    codec = comparison.kinds[0].results[0].codec
    return {"comparison.md": document(comparison), "comparison.svg": chart.draw(comparison, codec, CODECS[codec])}
