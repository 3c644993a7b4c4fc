"""Reads a lake back from its store, or from a folder, by DuckDB, Polars and PyArrow, each with its own client of the store.

No reader is told what to expect, and none goes through the proxy.
"""

import contextlib
import decimal
import io
import pathlib
import sysconfig

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from servers import REGION

PACKAGES = pathlib.Path(sysconfig.get_path("purelib"))


def plain(number):
    """A decimal as text, without zeros at its end: two of one value are one text."""
    return format((decimal.Decimal(0) if number is None else number).normalize() + 0, "f")


def with_sums(rows):
    """{(enrollment, billing period): (rows, sums as text)} of tuples in that order."""
    return {(enrollment, period): (count, tuple(map(plain, sums))) for enrollment, period, count, *sums in rows}


# --- DuckDB -----------------------------------------------------------------------------------------------------------


def duckdb_on(place, endpoint=None):
    """A connection that can read the place; through a proxy when its endpoint is given."""
    server, connection = place.server, duckdb.connect()
    if place.kind == "disk":
        return connection
    name = "httpfs" if place.kind == "s3" else "azure"
    file = PACKAGES / f"duckdb_extension_{name}/extensions/v{duckdb.__version__}/{name}.duckdb_extension"
    connection.execute(f"LOAD '{file}'")
    if place.kind == "s3":
        host = (endpoint or server.endpoint).removeprefix("http://")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID '{server.access_key}', SECRET '{server.secret}', ENDPOINT '{host}', "
            f"URL_STYLE 'path', USE_SSL false, REGION '{REGION}')"
        )
    else:
        connection.execute(f"CREATE SECRET (TYPE azure, CONNECTION_STRING '{server.connection_string(endpoint)}')")
    return connection


def url_for_readers(place, key):
    """abfss:// in DuckDB knows no `**` within a pattern, and the emulator has no such host: readers go by az://."""
    if place.kind == "disk":
        return f"/{place.whole(key)}"
    scheme = "s3" if place.kind == "s3" else "az"
    return f"{scheme}://{place.bucket}/{place.whole(key)}"


def by_duckdb(place, dataset, columns, connection=None):
    sums = ", ".join(f'sum("{name}")' for name in columns)
    glob = url_for_readers(place, f"{dataset}/**/*.parquet")
    question = (
        f"SELECT enrollment_number, billing_period, count(*), {sums} "
        f"FROM read_parquet('{glob}', hive_partitioning = true) GROUP BY ALL"
    )
    return with_sums((connection or duckdb_on(place)).execute(question).fetchall())


def cells_that_differ(place, key, file):
    """Rows that are in the object and not in a local file, or the other way round, counted with their repetitions."""
    there = f"read_parquet('{url_for_readers(place, key)}', hive_partitioning = false)"
    here = f"read_parquet('{file}', hive_partitioning = false)"
    connection = duckdb_on(place)
    only = lambda one, other: connection.execute(f"SELECT count(*) FROM (SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other})").fetchone()[0]
    return only(there, here) + only(here, there)


# --- Polars -----------------------------------------------------------------------------------------------------------


def storage_options(place, endpoint=None):
    server = place.server
    if place.kind == "disk":
        return {}
    endpoint = endpoint or server.endpoint
    if place.kind == "s3":
        return {
            "aws_access_key_id": server.access_key,
            "aws_secret_access_key": server.secret,
            "aws_endpoint_url": endpoint,
            "aws_region": REGION,
            "aws_allow_http": "true",
        }
    return {
        "account_name": server.account,
        "account_key": server.key,
        "azure_storage_endpoint": f"{endpoint}/{server.account}",
        "azure_allow_http": "true",
    }


def by_polars(place, dataset, columns):
    frame = polars.scan_parquet(url_for_readers(place, f"{dataset}/**/*.parquet"), storage_options=storage_options(place), hive_partitioning=True)
    wanted = [polars.len(), *(polars.col(name).sum() for name in columns)]
    return with_sums(frame.group_by("enrollment_number", "billing_period").agg(*wanted).collect().rows())


# --- PyArrow ----------------------------------------------------------------------------------------------------------


def file_system(place, endpoint=None):
    server = place.server
    if place.kind == "disk":
        return pyarrow.fs.LocalFileSystem()
    host = (endpoint or server.endpoint).removeprefix("http://")
    if place.kind == "s3":
        return pyarrow.fs.S3FileSystem(
            access_key=server.access_key, secret_key=server.secret, endpoint_override=host, scheme="http", region=REGION
        )
    return pyarrow.fs.AzureFileSystem(
        account_name=server.account, account_key=server.key, blob_storage_authority=host, blob_storage_scheme="http",
        dfs_storage_authority=host, dfs_storage_scheme="http",
    )  # fmt: skip


def by_pyarrow(place, dataset, columns):
    partitioning = pyarrow.dataset.partitioning(
        pyarrow.schema([("enrollment", pyarrow.string()), ("billing_period", pyarrow.string())]), flavor="hive"
    )
    folder = f"{place.bucket}/{place.whole(dataset)}"
    found = pyarrow.dataset.dataset(folder, filesystem=file_system(place), partitioning=partitioning, format="parquet")
    table = found.to_table(columns=["enrollment_number", "billing_period", *columns])
    # Texts may come as dictionaries, one a file.
    for name in ("enrollment_number", "billing_period"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pyarrow.string()))
    keys = ["enrollment_number", "billing_period"]
    grouped = table.group_by(keys).aggregate([([], "count_all"), *((name, "sum") for name in columns)])
    return with_sums(zip(*(grouped[name].to_pylist() for name in [*keys, "count_all", *(f"{name}_sum" for name in columns)])))


READERS = {"DuckDB": by_duckdb, "Polars": by_polars, "PyArrow": by_pyarrow}


# --- one object -------------------------------------------------------------------------------------------------------


def table_of(body):
    """The rows of a file's bytes, texts as texts; raises when it is no whole Parquet file."""
    table = pyarrow.parquet.ParquetFile(io.BytesIO(body)).read()
    for at, field in enumerate(table.schema):
        if pyarrow.types.is_dictionary(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(field.type.value_type))
    return table.replace_schema_metadata(None)


def first_page(body):
    """Where the first column's first page begins; None in a file without rows."""
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(body)).metadata
    if not metadata.num_row_groups:
        return None
    column = metadata.row_group(0).column(0)
    pages = [column.dictionary_page_offset, column.data_page_offset]
    return min(offset for offset in pages if offset)


def footer_of(body):
    """The file's own key-value metadata."""
    metadata = pyarrow.parquet.ParquetFile(io.BytesIO(body)).metadata.metadata or {}
    return {name.decode(): value.decode(errors="replace") for name, value in metadata.items()}


@contextlib.contextmanager
def told(seen):
    """Whatever a reader raises is what the user would see: its words are put into the list."""
    try:
        yield
    except Exception as error:
        seen.append(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
