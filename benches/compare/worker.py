"""One conversion by one peer, in a process of its own, so that the kernel counts what it costs.

    worker.py PEER INPUT OUTPUT CODEC     converts
    worker.py PEER                        only starts: the interpreter, the imports, the engine

Each does what its documentation shows for this task, on one thread. All look at the same number of rows before they
decide what a column is (DuckDB's default), since fewer miss a column that begins with nulls.
"""

import sys
from typing import Literal

Codec = Literal["zstd", "snappy"]

SAMPLE_ROWS = 20_480


def duckdb(source: str | None, out: str, codec: Codec, pages: bool = False) -> None:
    """NDJSON, or a folder of pages, by DuckDB."""
    import duckdb as engine

    connection = engine.connect()
    connection.execute("SET threads = 1")
    if source is None:
        return
    query = f"SELECT * FROM read_json('{source}', format = 'newline_delimited')"
    if pages:
        query = f"SELECT unnest(data, max_depth := 2) FROM read_json('{source}/*.json')"
    options = {"zstd": "COMPRESSION zstd, COMPRESSION_LEVEL 3", "snappy": "COMPRESSION snappy"}[codec]
    connection.execute(f"COPY ({query}) TO '{out}' (FORMAT parquet, {options})")


def duckdb_pages(source: str | None, out: str, codec: Codec) -> None:
    """A folder of pages by DuckDB."""
    duckdb(source, out, codec, pages=True)


def polars(source: str | None, out: str, codec: Codec) -> None:
    """NDJSON by Polars' streaming engine."""
    import polars as engine

    if source is not None:
        frame = engine.scan_ndjson(source, infer_schema_length=SAMPLE_ROWS)
        frame.sink_parquet(out, compression=codec, compression_level=3 if codec == "zstd" else None)


def pyarrow(source: str | None, out: str, codec: Codec) -> None:
    """NDJSON by Arrow's own reader and writer in C++."""
    import pyarrow
    import pyarrow.json
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    if source is not None:
        table = pyarrow.json.read_json(source, read_options=pyarrow.json.ReadOptions(use_threads=False))
        pyarrow.parquet.write_table(table, out, compression=codec, compression_level=3 if codec == "zstd" else None)


def chdb(source: str | None, out: str, codec: Codec) -> None:
    """NDJSON by ClickHouse in the process."""
    import chdb as engine

    if source is None:
        engine.query("SELECT 1")
        return
    settings = (
        "max_threads = 1, max_insert_threads = 1, max_parsing_threads = 1, input_format_parallel_parsing = 0, "
        "output_format_parallel_formatting = 0, output_format_parquet_parallel_encoding = 0, "
        f"output_format_parquet_compression_method = '{codec}', output_format_compression_level = 3, "
        f"input_format_max_rows_to_read_for_schema_inference = {SAMPLE_ROWS}"
    )
    engine.query(
        f"INSERT INTO FUNCTION file('{out}', Parquet) SELECT * FROM file('{source}', JSONEachRow) SETTINGS {settings}"
    )


def pandas(source: str | None, out: str, codec: Codec) -> None:
    """NDJSON by Python's own JSON module, row by row, and pandas."""
    import json

    import pandas as engine
    import pyarrow.parquet  # noqa: F401  (pandas loads it for the writing; so it belongs to the start)

    if source is not None:
        with open(source, encoding="utf-8") as lines:
            frame = engine.DataFrame([json.loads(line) for line in lines])
        options = {"compression_level": 3} if codec == "zstd" else {}
        frame.to_parquet(out, engine="pyarrow", compression=codec, **options)


WORKERS = {
    "duckdb": duckdb,
    "duckdb-pages": duckdb_pages,
    "polars": polars,
    "pyarrow": pyarrow,
    "chdb": chdb,
    "pandas": pandas,
}

if __name__ == "__main__":
    if len(sys.argv) == 2:
        WORKERS[sys.argv[1]](None, "", "zstd")
    else:
        peer, source, out, codec = sys.argv[1:]
        WORKERS[peer](source, out, "zstd" if codec == "zstd" else "snappy")
