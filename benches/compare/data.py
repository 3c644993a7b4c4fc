"""Makes one kind of data in three forms: pages as the service sends them, packed pages, and NDJSON of the same rows.

Asked by `measure.ask`. The pages come from `billing-lake simulate --write-pages`, or from `drawn`. They are cut into rows
by Python's JSON parser, which keeps each row's text as it stands, and the money is added up on the way with `decimal`: what the
program must have in its file comes from a reading that shares nothing with it.
"""

import decimal
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import drawn

START = '"data":['
MONEY = ("cost", "consumedQuantity")
PERIOD = "2024-11"
ENROLLMENT = "100"
DRAWN = "drawn-"
"""How the names of kinds begin that the simulator has no part in."""

EXACT = decimal.Context(prec=80, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow])
"""Sums without rounding: a digit that does not fit is an error."""


class Rows:
    """Cuts pages into rows and adds up their money."""

    def __init__(self) -> None:
        self.count = 0
        self.sums = {field: decimal.Decimal(0) for field in MONEY}
        self._decoder = json.JSONDecoder(parse_float=decimal.Decimal, parse_int=decimal.Decimal)

    def of(self, page: str) -> list[str]:
        """The rows of a page, each as its text stands there. The page is a whole JSON document, or this fails."""
        at = page.index(START) + len(START)
        envelope = page[:at]
        rows: list[str] = []
        while page[at] != "]":
            if rows:
                assert page[at] == ",", f"no comma between rows at {at}"
                at += 1
            row, end = self._decoder.raw_decode(page, at)
            rows.append(page[at:end])
            assert "\n" not in rows[-1], "a row of several lines is no line of NDJSON"
            for field in MONEY:
                self.sums[field] = EXACT.add(self.sums[field], row[field])
            at = end
        assert json.loads(envelope + page[at:])["data"] == [], "the page around the rows"
        self.count += len(rows)
        return rows


def simulate(program: str, folder: pathlib.Path, kind: str, rows: int) -> pathlib.Path:
    """Lets billing-lake write the simulator's pages, and says where."""
    options = [
        "--data",
        kind,
        "--rows-per-month",
        str(rows),
        "--months",
        "1",
        "--from",
        PERIOD,
        "--enrollments",
        ENROLLMENT,
    ]
    command = [program, "simulate", "--write-pages", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / ENROLLMENT / PERIOD.replace("-", "")


def make(program: str, folder: pathlib.Path, kind: str, rows: int, share: int) -> dict[str, Any]:
    """Makes the data in `folder`, and tells what it is."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "pages"
    if kind.startswith(DRAWN):
        drawn.write_pages(pages, rows, kind.removeprefix(DRAWN))
    else:
        simulate(program, folder / "written", kind, rows).rename(pages)
    packed = folder / "gzip"
    packed.mkdir()

    cut = Rows()
    count = page_bytes = gzip_bytes = shared = 0
    with open(folder / "lines.ndjson", "wb") as lines, open(folder / "share.ndjson", "wb") as few:
        for path in sorted(pages.iterdir()):
            page = path.read_bytes()
            text = b"".join(row.encode() + b"\n" for row in cut.of(page.decode()))
            lines.write(text)
            if cut.count * share <= rows or not shared:
                few.write(text)
                shared = cut.count
            small = gzip.compress(page, 6, mtime=0)
            (packed / (path.name + ".gz")).write_bytes(small)
            count, page_bytes, gzip_bytes = count + 1, page_bytes + len(page), gzip_bytes + len(small)
    with open(folder / "lines.ndjson", "rb") as lines:
        written = sum(1 for _ in lines)
    assert cut.count == written == rows, f"{cut.count} rows in the pages, {written} lines, {rows} asked for"
    return {
        "pages": count,
        "page_bytes": page_bytes,
        "line_bytes": (folder / "lines.ndjson").stat().st_size,
        "gzip_bytes": gzip_bytes,
        "rows": cut.count,
        "share_rows": shared,
        "sums": {field: f"{total:f}" for field, total in cut.sums.items()},
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    made = make(asked["program"], pathlib.Path(asked["folder"]), asked["kind"], asked["rows"], asked["share"])
    json.dump(made, sys.stdout)
