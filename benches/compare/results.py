"""What a comparison found, and its form on disk (docs/comparison.json): the documents are drawn from this alone."""

import dataclasses
import json
import pathlib
from typing import Any


@dataclasses.dataclass
class Result:
    """What one way from JSON to Parquet cost on one kind of data with one codec. Seconds are medians."""

    peer: str
    codec: str
    rows: int
    """Rows that it was given: all of them, or those of a share."""
    failed: str | None = None
    """Why there are no figures, or why they do not count."""
    cpu: float = 0.0
    """User and system seconds, its start taken off."""
    cpu_least: float = 0.0
    cpu_most: float = 0.0
    start: float = 0.0
    """User and system seconds of its start (interpreter, imports), taken off above."""
    wall: float = 0.0
    """Seconds from start to end, its start not taken off."""
    peak: int = 0
    """Peak resident memory in bytes, counted by the kernel, interpreter and all."""
    file: int = 0
    """Bytes of the Parquet file."""
    cost: str = ""
    """sum(cost) as DuckDB adds up the file's column."""
    money: str = ""
    """Type of the column `cost` in the file."""
    other_cells: list[str] = dataclasses.field(default_factory=list)
    """Columns of text, ids, dates and flags in which not every cell is the one in billing-lake's file."""
    scan_text: float | None = None
    """DuckDB's CPU seconds for reading all columns but the money."""
    scan_money: float | None = None
    """DuckDB's CPU seconds for the sums of the money columns."""
    scan_spark: float | None = None
    """Spark's seconds for reading all columns but the money."""
    spark_refused: str | None = None
    """Why Spark did not read the file."""


@dataclasses.dataclass
class Kind:
    """One kind of data, and what each made of it."""

    name: str
    rows: int
    pages: int
    page_bytes: int
    line_bytes: int
    gzip_bytes: int
    sums: dict[str, str]
    """Exact sums of the text, by field."""
    results: list[Result] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Comparison:
    """A whole run of the command."""

    date: str
    command: str
    rows: int
    runs: int
    machine: dict[str, str]
    versions: dict[str, str]
    spark: str
    """Empty when Spark took part, else why it did not."""
    least_peak: int = 0
    """Peak memory of the process that measured: a smaller one cannot be told of what it starts."""
    kinds: list[Kind] = dataclasses.field(default_factory=list)

    def save(self, path: pathlib.Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: pathlib.Path) -> "Comparison":
        """Reads what `save` wrote."""
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kinds = []
        for kind in found.pop("kinds"):
            results = [Result(**result) for result in kind.pop("results")]
            kinds.append(Kind(**kind, results=results))
        return Comparison(**found, kinds=kinds)
