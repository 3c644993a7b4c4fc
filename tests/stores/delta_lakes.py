"""Delta tables from their first sync on: what readers find, what a restatement changes, earlier versions, cleaning."""

import pathlib
import urllib.parse

import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet

import delta_readers
import readers
from bench import AMOUNTS, plain, truth_of
from delta_readers import active, by_partition, key_of, keys_of, log_of
from runs import ALL

MCA = "5e98e158:2c0d_2019-05-31"  # its folder is escaped, and the path in the log once more
ENROLLMENTS = ("100", "0012345", MCA)
SLICE = ("0012345", "2024-02")  # is restated, and compared cell by cell
OTHER = ("100", "2024-01")  # is restated again and again
COMMITS = 26
DATASETS = tuple(ALL.split(","))
KINDS = {  # of a hive file's columns: as DuckDB and Polars must have them
    "string": ("VARCHAR", polars.String),
    "decimal128(38, 18)": ("DECIMAL(38,18)", polars.Decimal(38, 18)),
    "int64": ("BIGINT", polars.Int64),
    "date32[day]": ("DATE", polars.Date),
    "timestamp[us, tz=UTC]": ("TIMESTAMP WITH TIME ZONE", polars.Datetime("us", "UTC")),
    "bool": ("BOOLEAN", polars.Boolean),
    "amounts": ('STRUCT("name" VARCHAR, "value" DECIMAL(38,18))[]', polars.List(polars.Struct({"name": polars.String, "value": polars.Decimal(38, 18)}))),
    "map": ("MAP(VARCHAR, VARCHAR)", None),
}


def check(bench, kind):
    with bench.service(enrollments=",".join(ENROLLMENTS), months=3, rows_per_month=1500) as service, bench.place(kind, "delta") as at:
        hive = bench.work / f"hive-{kind}"
        first_sync(bench, service, at, hive)
        second_sync(bench, service, at)
        versions = restatement(bench, service, at, hive)
        versions |= checkpoint(bench, service, at)
        cleaning(bench, service, at, versions)


def sync(bench, service, dest, *more, datasets=ALL, enrollments=ENROLLMENTS):
    return bench.program.sync(dest, service, "--tags-map", *more, enrollment=",".join(enrollments), datasets=datasets)


# --- what a hive lake of the same pages holds -------------------------------------------------------------------------


class Hive:
    """The files of a lake in a folder, by dataset and partition, read by PyArrow."""

    def __init__(self, root):
        self.files = {}
        for file in pathlib.Path(root).glob("*/enrollment=*/**/*.parquet"):
            parts = dict(part.split("=", 1) for part in file.relative_to(root).parts if "=" in part)
            key = (urllib.parse.unquote(parts["enrollment"]), parts.get("billing_period", ""))
            self.files[file.relative_to(root).parts[0], key] = file

    def table(self, dataset, key):
        return readers.table_of(self.files[dataset, key].read_bytes())

    def decimals(self, dataset):
        return [field.name for field in self.schema(dataset) if pyarrow.types.is_decimal(field.type)]

    def schema(self, dataset):
        return self.table(dataset, next(key for one, key in self.files if one == dataset)).schema

    def totals(self, dataset):
        columns, found = self.decimals(dataset), {}
        for one, key in self.files:
            if one == dataset:
                table = self.table(dataset, key)
                found[key] = (table.num_rows, tuple(plain(pyarrow.compute.sum(table[name]).as_py()) for name in columns))
        return found


def kind_of(type_):
    if pyarrow.types.is_map(type_):
        return "map"
    return "amounts" if pyarrow.types.is_list(type_) else str(type_)


# --- checks of a state, used again by `delta_faults` ------------------------------------------------------------------


def reads(bench, told, at, dataset, columns, wanted, version=None):
    """Rows and exact sums of each partition, by each reader."""
    assert wanted and any(rows for rows, _ in wanted.values()), "a check against nothing"
    for name, read in delta_readers.READERS.items():
        said, got = [], None
        with readers.told(said):
            got = read(at, dataset, columns, version)
        bench.verdict.equal(f"{told}: {name}, {dataset}{'' if version is None else f' at version {version}'}", said or got, wanted)


def one_file_each(bench, told, at, dataset, keys, rows=None):
    """The log by hand: whole, of protocol 1/2, and one active file a partition, of the size and rows that it says."""
    verdict, log = bench.verdict, log_of(at, dataset)
    protocols = [action["protocol"] for actions in log.values() for action in actions if "protocol" in action]
    verdict.equal(f"{told}: protocols of {dataset}", protocols, [{"minReaderVersion": 1, "minWriterVersion": 2}])
    said, partitions = [], {}
    with readers.told(said):
        partitions = by_partition(active(log))
    verdict.check(f"{told}: the log of {dataset} can be replayed", not said, str(said))
    verdict.equal(f"{told}: active files by partition, {dataset}", {key: len(files) for key, files in partitions.items()}, dict.fromkeys(keys, 1))
    there = at.data()
    for key, (added, *_) in partitions.items():
        found = there.get(key_of(dataset, added["path"]))
        verdict.equal(f"{told}: size of {added['path']}", added["size"], found and found.size)
        if rows:
            counted = delta_readers.json.loads(added["stats"])["numRecords"]
            verdict.equal(f"{told}: rows in the statistics of {added['path']}", counted, rows[key][0])
    return log


def slice_of(at, dataset, key, version=None):
    """A partition's rows by deltalake, in the order of the file, without the partition columns."""
    found = delta_readers.table_of(at, dataset, version).to_pyarrow_dataset()
    condition = pyarrow.compute.field("enrollment") == key[0]
    if len(keys_of(dataset)) > 1:
        condition &= pyarrow.compute.field("billing_period") == key[1]
    return pyarrow.table(found.to_table(filter=condition)).drop_columns(list(keys_of(dataset)))


def same_cells(bench, told, at, dataset, key, here, version=None):
    """Every cell of a partition: by deltalake in order, by Polars and DuckDB as a bag, against rows of PyArrow."""
    verdict, told = bench.verdict, f"{told}: {dataset} of {key}"
    there = slice_of(at, dataset, key, version)
    there = there.select(here.schema.names).cast(here.schema)
    verdict.check(f"{told}: each cell by deltalake", here.num_rows > 0 and there.equals(here), f"{there.num_rows} rows, {here.num_rows} in the hive lake")
    frame = delta_readers.frame_of(at, dataset, version).filter(polars.col("enrollment") == key[0])
    where = f"enrollment = '{key[0]}'"
    if len(keys_of(dataset)) > 1:
        frame, where = frame.filter(polars.col("billing_period") == key[1]), f"{where} AND billing_period = '{key[1]}'"
    got = frame.drop(keys_of(dataset)).collect()
    wanted = polars.from_arrow(here)
    verdict.check(f"{told}: each cell by Polars", got.select(wanted.columns).equals(wanted.cast(got.select(wanted.columns).schema)), f"{got.height} rows, {wanted.height}")
    connection = delta_readers.delta_on(at)
    connection.register("here", here)
    names = ", ".join(f'"{name}"' for name in here.schema.names)
    there = f"(SELECT {names} FROM {delta_readers.scan_of(at, dataset, version)} WHERE {where})"
    differ = connection.execute(
        f"SELECT (SELECT count(*) FROM (FROM {there} EXCEPT ALL FROM here)), (SELECT count(*) FROM (FROM here EXCEPT ALL FROM {there})), (SELECT count(*) FROM {there})"
    ).fetchone()
    verdict.equal(f"{told}: cells by DuckDB: only there, only here, all", differ, (0, 0, here.num_rows))


def types(bench, told, at, dataset, schema):
    """Names, order and types, partition columns last and as text."""
    wanted = [(field.name, kind_of(field.type)) for field in schema] + [(name, "string") for name in keys_of(dataset)]
    connection = delta_readers.delta_on(at)
    described = [tuple(row[:2]) for row in connection.execute(f"DESCRIBE SELECT * FROM {delta_readers.scan_of(at, dataset)}").fetchall()]
    unquoted = lambda pairs: [(name, type_.replace('"', "")) for name, type_ in pairs]
    bench.verdict.equal(f"{told}: types by DuckDB, {dataset}", unquoted(described), unquoted((name, KINDS[kind][0]) for name, kind in wanted))
    got = delta_readers.frame_of(at, dataset).collect_schema()
    bench.verdict.equal(f"{told}: names by Polars, {dataset}", list(got), [name for name, _ in wanted])
    for name, kind in wanted:
        if KINDS[kind][1] is not None:
            bench.verdict.equal(f"{told}: type by Polars of {dataset}.{name}", got[name], KINDS[kind][1])
    declared = delta_readers.table_of(at, dataset)
    bench.verdict.equal(f"{told}: partition columns of {dataset}", declared.metadata().partition_columns, list(keys_of(dataset)))
    protocol = declared.protocol()
    bench.verdict.equal(f"{told}: protocol of {dataset} by deltalake", (protocol.min_reader_version, protocol.min_writer_version), (1, 2))


# --- the story --------------------------------------------------------------------------------------------------------


def first_sync(bench, service, at, root):
    told, verdict = f"{at}, first sync", bench.verdict
    bench.succeeds(f"{told} of the hive lake", sync(bench, service, root), "ok")
    bench.succeeds(told, sync(bench, service, at, "--layout", "delta"), "ok")
    hive, objects = Hive(root), at.data()
    verdict.equal(f"{told}: datasets of the hive lake", {dataset for dataset, _ in hive.files}, set(DATASETS))
    known = set()
    for dataset in DATASETS:
        wanted = hive.totals(dataset)
        reads(bench, told, at, dataset, hive.decimals(dataset), wanted)
        log = one_file_each(bench, told, at, dataset, wanted, wanted)
        known |= {key_of(dataset, path) for path in active(log)} | {f"{dataset}/_delta_log/{version:020}.json" for version in log}
        verdict.equal(f"{told}: a commit for the table and one a slice, {dataset}", len(log), 1 + len(wanted))
        types(bench, told, at, dataset, hive.schema(dataset))
        key = SLICE if len(keys_of(dataset)) > 1 else (SLICE[0], "")
        same_cells(bench, told, at, dataset, key, hive.table(dataset, key))
    verdict.equal(f"{told}: nothing but active files and logs", sorted(objects.keys() - known), [])
    reads(bench, f"{told}, as the simulator counted", at, "usage_details", AMOUNTS, truth_of(service))
    tags = hive.table("usage_details", SLICE)["tags_map"]
    verdict.check(f"{told}: there are tags to compare", tags.null_count < len(tags))
    says_nothing(bench, told, at)


def says_nothing(bench, told, at):
    run = bench.program.ask("verify", at)
    files = (run.report or {}).get("files", [])
    bench.verdict.check(f"{told}: verify finds nothing", run.code == 0 and files and not any(file["findings"] for file in files), run.said())


def second_sync(bench, service, at):
    told, before = f"{at}, second sync", at.data()
    bench.succeeds(told, sync(bench, service, at), "unchanged")
    bench.verdict.check(f"{told}: no object has changed, so nothing was committed", at.data() == before and before)


def restatement(bench, service, at, root):
    """{version: totals} of the table of usage before and after."""
    told, verdict, old, before = f"{at}, restatement", bench.verdict, truth_of(service), at.data()
    logs = {dataset: log_of(at, dataset) for dataset in DATASETS}
    here = Hive(root).table("usage_details", SLICE)
    service.restate(SLICE[0], SLICE[1].replace("-", ""))
    new = truth_of(service)
    verdict.check(f"{told}: the simulator serves other rows", old[SLICE] != new[SLICE])
    bench.succeeds(told, sync(bench, service, at), "ok")
    bench.succeeds(f"{told} of the hive lake", sync(bench, service, root), "ok")
    for dataset in DATASETS:
        if dataset != "usage_details":
            verdict.equal(f"{told}: the log of {dataset}", log_of(at, dataset), logs[dataset])
    log, last = log_of(at, "usage_details"), max(logs["usage_details"])
    verdict.equal(f"{told}: one commit more", sorted(log), [*logs["usage_details"], last + 1])
    changes = {name: [action[name] for action in log.get(last + 1, []) if name in action] for name in ("add", "remove", "metaData", "protocol")}
    verdict.equal(f"{told}: what is in it", {name: len(found) for name, found in changes.items()}, {"add": 1, "remove": 1, "metaData": 0, "protocol": 0})
    for action in changes["add"] + changes["remove"]:
        verdict.equal(f"{told}: the partition", action["partitionValues"], dict(zip(keys_of("usage_details"), SLICE)))
    gone = [key_of("usage_details", action["path"]) for action in changes["remove"]]
    verdict.equal(f"{told}: what is removed was active", gone, [key_of("usage_details", by_partition(active(log, last))[SLICE][0]["path"])])
    after = at.data()
    verdict.check(f"{told}: all objects of before are there, unchanged", before.items() <= after.items())
    verdict.equal(f"{told}: new objects", len(after) - len(before), 2)
    one_file_each(bench, told, at, "usage_details", new, new)
    reads(bench, told, at, "usage_details", AMOUNTS, new)
    same_cells(bench, told, at, "usage_details", SLICE, Hive(root).table("usage_details", SLICE))
    reads(bench, f"{told}, the version before", at, "usage_details", AMOUNTS, old, last)
    same_cells(bench, f"{told}, the version before", at, "usage_details", SLICE, here, last)
    return {last: old, last + 1: new}


def checkpoint(bench, service, at):
    """Restates one slice until the log is long; {version: totals}."""
    told, verdict, versions = f"{at}, a long log", bench.verdict, {}
    while (last := max(log_of(at, "usage_details"))) < COMMITS:
        service.restate(OTHER[0], OTHER[1].replace("-", ""))
        run = sync(bench, service, at, f"--periods={OTHER[1]}", datasets="usage_details", enrollments=OTHER[:1])
        if not bench.succeeds(told, run, "ok"):
            return versions
        versions[last + 1] = truth_of(service)
    verdict.check(f"{told}: the last checkpoint is named", "usage_details/_delta_log/_last_checkpoint" in at.list())
    told_files = sorted(key for key in at.list("usage_details/_delta_log/") if ".checkpoint" in key)
    verdict.check(f"{told}: a checkpoint lies there", told_files)
    print(f"  {at}: {last} versions, checkpoints {[int(pathlib.Path(key).name[:20]) for key in told_files]}")
    one_file_each(bench, told, at, "usage_details", versions[last], versions[last])
    for version in sorted(versions)[:: max(len(versions) // 3, 1)]:
        reads(bench, told, at, "usage_details", AMOUNTS, versions[version], version)
    reads(bench, told, at, "usage_details", AMOUNTS, versions[last])
    bench.succeeds(f"{told}, another sync", sync(bench, service, at), "unchanged")
    says_nothing(bench, told, at)
    return versions


def cleaning(bench, service, at, versions):
    told, verdict, before, first = f"{at}, cleaning", bench.verdict, at.data(), min(versions)
    run = bench.program.ask("clean", at)
    verdict.equal(f"{told}: exit code by default", run.code, 0)
    verdict.check(f"{told}: by default nothing young goes", at.data() == before)
    reads(bench, f"{told} by default", at, "usage_details", AMOUNTS, versions[first], first)
    needed = {key_of(dataset, path) for dataset in DATASETS for path in active(log_of(at, dataset))}
    logs = {key for key in before if "/_delta_log/" in key}
    old = before.keys() - needed - logs
    verdict.check(f"{told}: there is something to clean", len(old) > 10, f"{len(old)} files")
    foreseen = delta_readers.table_of(at, "usage_details").vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=True)
    foreseen = {f"usage_details/{path}" for path in foreseen}
    verdict.check(f"{told}: deltalake would vacuum the same files", foreseen == old, f"only deltalake {sorted(foreseen - old)[:3]}, only by the log {sorted(old - foreseen)[:3]}")
    run = bench.program.ask("clean", at, "--retention", "0s")
    verdict.equal(f"{told}: exit code with no retention", run.code, 0) or print(run.said())
    after = at.data()
    verdict.equal(f"{told}: what is gone", sorted(before.keys() - after.keys()), sorted(old))
    verdict.check(f"{told}: what stays is as it was", all(after.get(key) == before[key] for key in needed | logs))
    reads(bench, told, at, "usage_details", AMOUNTS, truth_of(service))
    for name, read in delta_readers.READERS.items():
        said, got = [], None
        with readers.told(said):
            got = read(at, "usage_details", AMOUNTS, first)
        verdict.check(f"{told}: {name} fails on an earlier version whose files are gone", said, f"got {got}")
    bench.succeeds(f"{told}, another sync", sync(bench, service, at), "unchanged")
    says_nothing(bench, told, at)
