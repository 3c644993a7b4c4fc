"""Looks into the Parquet files that were made: rows, sums and cells, then what reading them costs DuckDB.

Asked by `measure.ask` with the contract's columns and the files of one kind of data and one codec; the first file is
billing-lake's.
"""

import json
import statistics
import sys
import time
from typing import Any

import duckdb
import pyarrow.parquet

ROUNDS = 7
TEXT, ID, DATE, FLAG = "VARCHAR", "BIGINT", "DATE", "BOOLEAN"


class File:
    """A Parquet file, with its columns by the names of the JSON fields."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str, contract: list[dict[str, str]]) -> None:
        self.connection, self.path = connection, path
        found = {name.casefold() for name in pyarrow.parquet.read_schema(path).names}
        self.names = {
            column["field"]: column["column"] if column["column"].casefold() in found else column["field"]
            for column in contract
        }
        self.types = {column["field"]: column["type"] for column in contract}
        self.plain = [field for field, kind in self.types.items() if kind in (TEXT, ID, DATE, FLAG)]
        self.money = [field for field in self.types if field not in self.plain]

    def ask(self, words: list[str]) -> tuple[Any, ...]:
        """One row of aggregates over the whole file."""
        query = f"SELECT {', '.join(words)} FROM read_parquet('{self.path}', hive_partitioning = false)"
        found = self.connection.execute(query).fetchone()
        assert found is not None
        return found

    def cells(self) -> dict[str, int]:
        """A number for each column without money that is the same for the same cells in any order."""
        as_text = {
            TEXT: 'CAST("{}" AS VARCHAR)',
            ID: 'CAST("{}" AS BIGINT)',
            DATE: 'CAST(CAST("{}" AS TIMESTAMP) AS DATE)',
            FLAG: 'CAST("{}" AS BOOLEAN)',
        }
        words = [f"sum(hash({as_text[self.types[field]].format(self.names[field])}))" for field in self.plain]
        return dict(zip(self.plain, self.ask(words), strict=True))

    def text_scan(self) -> float:
        """CPU seconds for reading each cell of every column without money."""
        return self._timed([f'bit_xor(hash("{self.names[field]}"))' for field in self.plain])

    def money_scan(self) -> float:
        """CPU seconds for the sums of the columns of money."""
        return self._timed([f'sum("{self.names[field]}")' for field in self.money])

    def _timed(self, words: list[str]) -> float:
        begin = time.process_time()
        self.ask(words)
        return time.process_time() - begin


def look(file: File, first_cells: dict[str, int] | None) -> tuple[dict[str, Any], dict[str, int]]:
    """What the file holds; `first_cells` are those that it should have."""
    cost, quantity = (f'"{file.names[field]}"' for field in ("cost", "consumedQuantity"))
    rows, cost_sum, quantity_sum, money = file.ask(
        ["count(*)", f"sum({cost})", f"sum({quantity})", f"any_value(typeof({cost}))"]
    )
    cells = file.cells()
    different = [field for field in cells if first_cells is not None and cells[field] != first_cells[field]]
    told = {
        "rows": rows,
        "cost": str(cost_sum),
        "quantity": str(quantity_sum),
        "money": money,
        "other_cells": different,
    }
    return told, cells


def main() -> None:
    """Answers for each file by its key: what it holds or the reason why that cannot be told, and medians of scans."""
    asked = json.load(sys.stdin)
    connection = duckdb.connect()
    connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
    answers: dict[str, dict[str, Any]] = {}
    scanned: dict[str, File] = {}
    first_cells: dict[str, int] | None = None
    for entry in asked["files"]:
        key = entry["key"]
        try:
            file = File(connection, entry["path"], asked["contract"])
            answers[key], cells = look(file, first_cells if entry["whole"] else None)
            first_cells = first_cells or cells
            if entry["whole"]:
                scanned[key] = file
        except duckdb.Error as error:
            answers[key] = {"failed": str(error).splitlines()[0][:200]}
    texts: dict[str, list[float]] = {key: [] for key in scanned}
    moneys: dict[str, list[float]] = {key: [] for key in scanned}
    for _ in range(ROUNDS):  # `look` has read each file before
        for key, file in scanned.items():
            texts[key].append(file.text_scan())
            moneys[key].append(file.money_scan())
    for key in scanned:
        answers[key] |= {"scan_text": statistics.median(texts[key]), "scan_money": statistics.median(moneys[key])}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
