"""Who takes part, on what, and how: the only list of peers."""

import dataclasses

PAGES, LINES, GZIP = "pages", "lines", "gzip"
"""What a peer reads: a folder of pages as the service sends them, the same rows as NDJSON, or the pages packed."""

CODECS = {"zstd": "zstd 3", "snappy": "snappy"}
"""Codecs by the name that the workers take, and as people write them."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """One way from billing JSON to a Parquet file."""

    key: str
    title: str
    reads: str
    how: str
    """The call, as the documents print it."""
    slow: bool = False
    """Gets a share of the rows."""


BILLING_LAKE = Peer("billing-lake", "billing-lake", PAGES, "`billing-lake convert PAGES`, the program itself")

PEERS = [
    BILLING_LAKE,
    Peer(
        "duckdb",
        "DuckDB",
        LINES,
        "`COPY (SELECT * FROM read_json(LINES, format = 'newline_delimited')) TO …`, `SET threads = 1`",
    ),
    Peer("polars", "Polars", LINES, "`scan_ndjson(LINES).sink_parquet(…)`, `POLARS_MAX_THREADS=1`"),
    Peer("pyarrow", "PyArrow", LINES, "`json.read_json(LINES, use_threads=False)`, `parquet.write_table(…)`"),
    Peer(
        "chdb",
        "chDB (ClickHouse)",
        LINES,
        "`INSERT INTO FUNCTION file(…, Parquet) SELECT * FROM file(LINES, JSONEachRow)`, `max_threads = 1`",
    ),
    Peer("pandas", "json + pandas", LINES, "`json.loads` of each line, `DataFrame(…).to_parquet(…)`", slow=True),
    Peer("billing-lake-gzip", "billing-lake, gzip pages", GZIP, "as above, each page packed with gzip, level 6"),
    Peer(
        "duckdb-pages",
        "DuckDB, pages",
        PAGES,
        "`COPY (SELECT unnest(data, max_depth := 2) FROM read_json('PAGES/*.json')) TO …`",
    ),
]

MAIN = ("billing-lake", "duckdb", "polars", "pyarrow", "chdb", "pandas")
"""Those that the summary and the chart show; the others are for information."""


def peer(key: str) -> Peer:
    """The peer of that key."""
    return next(peer for peer in PEERS if peer.key == key)
