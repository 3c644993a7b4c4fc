"""A reader as a process of its own, for `mixes.py`: it is asked by lines of JSON and answers by lines of JSON.

    mix_reader.py READER

A line says where a lake lies, how it is laid out, and whether what can be kept open is made once or anew; and a question,
`one` or `several`. The answer has what was found by billing period, or the error's words.
"""

import hashlib
import json
import sys
import types

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset

import delta_readers
import readers
import servers

PERIOD = "2024-01"
SUMS = ("cost", "consumed_quantity")
TEXTS = ("instance_id", "tags")
ONE = f"usage_details/enrollment=100/billing_period={PERIOD}"


def told(period, rows, sums, texts):
    return period, [rows, *map(readers.plain, sums), *map(str, texts)]


# --- each reader: `opened` makes what can be kept, and the function asks it --------------------------------------------


def duckdb_opened(place, layout, question):
    return delta_readers.delta_on(place) if layout == "delta" else readers.duckdb_on(place)


def duckdb_asked(connection, place, layout, question):
    if layout == "delta":
        source = delta_readers.scan_of(place, "usage_details")
    else:
        below = ONE if question == "one" else "usage_details/**"
        source = f"read_parquet('{readers.url_for_readers(place, below + '/*.parquet')}', hive_partitioning = true)"
    sums = ", ".join(f"sum({name})" for name in SUMS) + "".join(f", sum(hash({name})::HUGEINT)" for name in TEXTS)
    only = f"WHERE billing_period = '{PERIOD}'" if question == "one" else ""
    rows = connection.execute(f"SELECT billing_period, count(*), {sums} FROM {source} {only} GROUP BY billing_period").fetchall()
    return [told(period, count, values[:2], values[2:]) for period, count, *values in rows]


def polars_opened(place, layout, question):
    if layout == "delta":
        frame = delta_readers.frame_of(place, "usage_details")
        return frame.filter(polars.col("billing_period") == PERIOD) if question == "one" else frame
    url = readers.url_for_readers(place, (ONE if question == "one" else "usage_details/**") + "/*.parquet")
    return polars.scan_parquet(url, storage_options=readers.storage_options(place) or None, hive_partitioning=True)


def polars_asked(frame, place, layout, question):
    wanted = [polars.len(), *(polars.col(name).sum() for name in SUMS)]
    wanted += [polars.col(name).cast(polars.String).hash().sum().alias(f"hash of {name}") for name in TEXTS]
    rows = frame.group_by("billing_period").agg(*wanted).collect().rows()
    return [told(period, count, values[:2], values[2:]) for period, count, *values in rows]


def pyarrow_opened(place, layout, question):
    if layout == "delta":
        return delta_readers.table_of(place, "usage_details").to_pyarrow_dataset()
    schema = pyarrow.schema([("enrollment", pyarrow.string()), ("billing_period", pyarrow.string())])
    partitioning = pyarrow.dataset.partitioning(schema, flavor="hive")
    root = f"/{place.whole('')}" if place.kind == "disk" else f"{place.bucket}/{place.whole('')}"
    return pyarrow.dataset.dataset(
        root + (ONE if question == "one" else "usage_details"), filesystem=readers.file_system(place), partitioning=partitioning,
        partition_base_dir=root + "usage_details", format="parquet",
    )  # fmt: skip


def pyarrow_asked(dataset, place, layout, question):
    condition = pyarrow.compute.field("billing_period") == PERIOD if question == "one" else None
    table = pyarrow.table(dataset.to_table(columns=["billing_period", *SUMS, *TEXTS], filter=condition))
    periods = table["billing_period"].cast(pyarrow.string())
    found = []
    for period in periods.unique().to_pylist():
        part = table.filter(pyarrow.compute.equal(periods, period))
        sums = [pyarrow.compute.sum(part[name]).as_py() for name in SUMS]
        texts = ["\n".join(map(str, part[name].to_pylist())) for name in TEXTS]
        found.append(told(period, part.num_rows, sums, [hashlib.md5(text.encode()).hexdigest() for text in texts]))
    return found


READERS = {
    "DuckDB": (duckdb_opened, duckdb_asked),
    "Polars": (polars_opened, polars_asked),
    "PyArrow": (pyarrow_opened, pyarrow_asked),
}
VERSIONS = {"DuckDB": duckdb.__version__, "Polars": polars.__version__, "PyArrow": pyarrow.__version__}


# --- the process ------------------------------------------------------------------------------------------------------


def place_of(spec):
    """What the functions in `readers` need of a place."""
    server = types.SimpleNamespace(**spec.get("server", {}))
    server.connection_string = lambda endpoint=None: servers.Azure.connection_string(server, endpoint)
    prefix = spec["prefix"]
    return types.SimpleNamespace(kind=spec["kind"], bucket=spec["bucket"], prefix=prefix, server=server, whole=lambda key: f"{prefix}/{key}")


def main():
    opened, asked = READERS[sys.argv[1]]
    kept = {}
    print(json.dumps({"version": VERSIONS[sys.argv[1]]}), flush=True)
    for line in sys.stdin:
        spec = json.loads(line)
        place, layout, question = place_of(spec), spec["layout"], spec["question"]
        name = spec["prefix"], question
        try:
            if name not in kept or not spec["keep"]:
                kept = {name: opened(place, layout, question)}
            answer = {"answer": dict(asked(kept[name], place, layout, question))}
        except BaseException as error:  # a panic of Rust is no Exception
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
