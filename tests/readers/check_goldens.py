"""Holds the hand-written expectations in tests/golden/ against a plain reading of their pages."""

import json
import pathlib
import sys

import plain_csv
import plain_reading
from plain_reading import PageError, Rows, as_text, plain

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
ENROLLMENT = "0100"
passed = failed = 0


def check(name, what, got, expected):
    global passed, failed
    if got == expected:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {name}: {what}\n  read      {got!r}\n  expected  {expected!r}")


def read(page, body, rows):
    readers = {
        "billing_periods": plain_reading.read_array,
        "balance_summary": plain_reading.read_one,
        "marketplace_charges": plain_reading.read_list,
        "price_sheet": plain_reading.read_list,
    }
    if page.suffix == ".ndjson":
        return plain_reading.read_ndjson(body, rows)
    if page.suffix == ".csv":
        return plain_csv.read_csv(body, rows)
    return readers.get(rows.dataset, plain_reading.read_page)(body, rows)


def check_page(page, expected):
    name = page.name
    rows = Rows(expected.get("dataset", "usage_details"), ENROLLMENT)
    link = read(page, page.read_bytes(), rows)
    kinds = [kind for _, _, kind in rows.fields] + [plain_reading.TEXT]
    taken = [
        {column: as_text(kind, cell) for column, kind, cell in zip(rows.columns, kinds, row) if cell is not None}
        for row in rows.rows
    ]
    check(name, "number of rows", len(taken), len(expected["rows"]))
    for at, (got, wanted) in enumerate(zip(taken, expected["rows"])):
        check(name, f"row {at}", got, wanted)
    check(name, "rejected", rows.rejected, [(row["row"], row["column"]) for row in expected["rejected"]])
    totals = {column: plain(total) for column, total in rows.text_sums.items()}
    check(name, "control totals", totals, expected["control_totals"])
    residues = {column: plain(rows.residue(column)) for column in rows.text_sums if rows.residue(column)}
    check(name, "rounding residue", residues, expected["rounding_residue"])
    for count in ("rounded_values", "replaced_texts", "duplicate_keys", "unknown_fields", "unknown_envelope_fields"):
        check(name, count, getattr(rows, count), expected.get(count, {}))
    check(name, "next link", link, expected["next_link"])


def error_of(page, body, dataset):
    try:
        read(page, body, Rows(dataset, ENROLLMENT))
    except PageError as error:
        return str(error)
    return None


def check_refused(page, expected):
    body = page.read_bytes()
    error = expected["page_error"]
    dataset = expected.get("dataset", "usage_details")
    check(f"refused/{page.name}", "page error", error_of(page, body, dataset), "form" if error == "form" else "broken")
    if error == "cut":
        check(f"refused/{page.name}", "with its rest", error_of(page, body + expected["rest"].encode(), dataset), None)


for file in sorted(GOLDEN.rglob("*.expected.json")):
    stem = file.name.removesuffix(".expected.json")
    pages = [page for kind in ("json", "ndjson", "csv") if (page := file.with_name(f"{stem}.{kind}")).exists()]
    check(file.name, "one page beside it", len(pages), 1)
    for page in pages:
        (check_refused if page.parent.name == "refused" else check_page)(page, json.loads(file.read_text("utf-8")))

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
