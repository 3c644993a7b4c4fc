"""Reads a Delta table by DuckDB, Polars and deltalake, the newest version or an earlier one, and its log by hand.

deltalake reads files by PyArrow, Polars and DuckDB by their own code; the log is read by delta-rs for the first two, by
DuckDB's extension for itself, and by hand from its JSON here.
"""

import json
import os
import urllib.parse

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.compute

from readers import PACKAGES, duckdb_on, storage_options, url_for_readers, with_sums

KEYS = ("enrollment", "billing_period")


# --- the three readers ------------------------------------------------------------------------------------------------


def delta_on(place, endpoint=None):
    """A connection of DuckDB that can read Delta tables of the place. What the extension asks Azurite by is the environment."""
    connection = duckdb_on(place, endpoint)
    if place.kind not in ("disk", "s3"):
        os.environ["AZURITE_BLOB_STORAGE_URL"] = endpoint or place.server.endpoint
    connection.execute(f"LOAD '{PACKAGES}/duckdb_extension_delta/extensions/v{duckdb.__version__}/delta.duckdb_extension'")
    return connection


def scan_of(place, dataset, version=None):
    """DuckDB's name of a table, or of an earlier version of it."""
    return f"delta_scan('{url_for_readers(place, dataset)}'{'' if version is None else f', version => {version}'})"


def table_of(place, dataset, version=None, endpoint=None):
    """deltalake's table."""
    return deltalake.DeltaTable(url_for_readers(place, dataset), version=version, storage_options=storage_options(place, endpoint) or None)


def frame_of(place, dataset, version=None, endpoint=None):
    """Polars' lazy frame."""
    return polars.scan_delta(url_for_readers(place, dataset), version=version, storage_options=storage_options(place, endpoint) or None)


def keys_of(dataset):
    """The partition columns: the list of billing periods has one of them only."""
    return KEYS[:1] if dataset == "billing_periods" else KEYS


def _sums(dataset, rows):
    """Rows by enrollment and period, "" where a dataset has none."""
    if len(keys_of(dataset)) == 1:
        rows = [(row[0], "", *row[1:]) for row in rows]
    return with_sums(rows)


def by_duckdb(place, dataset, columns, version=None):
    sums = "".join(f', sum("{name}")' for name in columns)
    keys = ", ".join(keys_of(dataset))
    question = f"SELECT {keys}, count(*){sums} FROM {scan_of(place, dataset, version)} GROUP BY {keys}"
    return _sums(dataset, delta_on(place).execute(question).fetchall())


def by_polars(place, dataset, columns, version=None):
    frame = frame_of(place, dataset, version)
    wanted = [polars.len(), *(polars.col(name).sum() for name in columns)]
    return _sums(dataset, frame.group_by(*keys_of(dataset)).agg(*wanted).collect().rows())


def by_deltalake(place, dataset, columns, version=None):
    keys = list(keys_of(dataset))
    found = pyarrow.table(table_of(place, dataset, version).to_pyarrow_dataset().to_table(columns=[*keys, *columns]))
    for name in keys:
        found = found.set_column(found.schema.get_field_index(name), name, found[name].cast(pyarrow.string()))
    grouped = found.group_by(keys).aggregate([([], "count_all"), *((name, "sum") for name in columns)])
    return _sums(dataset, zip(*(grouped[name].to_pylist() for name in [*keys, "count_all", *(f"{name}_sum" for name in columns)])))


READERS = {"DuckDB": by_duckdb, "Polars": by_polars, "deltalake": by_deltalake}


# --- the log, by hand -------------------------------------------------------------------------------------------------


def log_of(place, dataset):
    """{version: actions} of the commits that lie there as JSON."""
    prefix, commits = f"{dataset}/_delta_log/", {}
    for key in place.list(prefix):
        name = key.removeprefix(prefix)
        if name.endswith(".json") and name[:-5].isdigit():
            commits[int(name[:-5])] = [json.loads(line) for line in place.get(key).splitlines() if line.strip()]
    return dict(sorted(commits.items()))


def active(log, version=None):
    """{add.path: add} after a replay of all commits from 0 on, up to a version."""
    if list(log) != list(range(len(log))):
        raise ValueError(f"the log has versions {list(log)}")
    files = {}
    for number, actions in log.items():
        if version is not None and number > version:
            break
        for action in actions:
            if gone := action.get("remove"):
                del files[gone["path"]]  # one that was not there is an error
        for action in actions:
            if added := action.get("add"):
                files[added["path"]] = added
    return files


def key_of(dataset, path):
    """The key of an object from its `add.path`, which is encoded once more."""
    return f"{dataset}/{urllib.parse.unquote(path)}"


def by_partition(files):
    """{(enrollment, period): [add]}"""
    found = {}
    for added in files.values():
        values = added["partitionValues"]
        found.setdefault((values["enrollment"], values.get("billing_period", "")), []).append(added)
    return found
