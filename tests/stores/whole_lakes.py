"""A lake on a store from its first sync on: what lies there, that it is right, and what a restatement changes."""

import decimal

import pyarrow.parquet

import readers
from bench import AMOUNTS, is_own, plain, truth_of, usage_key, with_dash, writes
from runs import ALL, outcomes

import check_cells  # of the readers' tests: what the pages say, read plainly

ENROLLMENTS = ("100", "200")
MCA = "5e98e158:2c0d_2019-05-31"  # an account of the newer kind; Polars takes a folder 1:2 for a time of day
FOOTER = 64 * 1024  # bytes that are asked for first; what is missing then is less
MONTHLY = ("usage_details", "marketplace_charges", "price_sheet", "balance_summary")


def check(bench, kind):
    with bench.service(enrollments=",".join(ENROLLMENTS), months=3, rows_per_month=3000) as service:
        with bench.place(kind, "whole") as at:
            local = bench.work / f"local-{kind}"
            first_sync(bench, service, at, local)
            second_sync(bench, service, at)
            restatement(bench, service, at, local)
    names(bench, kind)


def first_sync(bench, service, at, local):
    told, verdict, truth = f"{at}, first sync", bench.verdict, truth_of(service)
    reports = {}
    for enrollment in ENROLLMENTS:
        bench.succeeds(f"{told} to the disk", bench.program.sync(local, service, enrollment=enrollment, datasets=ALL), "ok")
        run = reports[enrollment] = bench.program.sync(at, service, enrollment=enrollment, datasets=ALL)
        bench.succeeds(told, run, "ok")
    keys = {f"{dataset}/enrollment={enrollment}/billing_period={period}/data.parquet" for dataset in MONTHLY for enrollment, period in truth}
    keys |= {f"billing_periods/enrollment={enrollment}/data.parquet" for enrollment in ENROLLMENTS}
    bench.tidy(told, at, keys)
    verdict.check(f"{told}: the lake describes itself", "_billing_lake/lake.json" in at.list())
    bench.reads(told, at, truth)
    marketplace(bench, told, at, service)
    objects = {key: at.get(key) for key in at.data()}
    forms(verdict, told, objects)
    same_as_local(verdict, told, at, objects, local)
    if body := objects.get(usage_key("100", "2024-01")):
        same_as_pages(verdict, told, body, check_cells.usage_expected(service, "100", "202401"))
    for enrollment, run in reports.items():
        for part in (run.report or {}).get("slices", []):
            told_file = f"{told}: the report of {part['dataset']} {enrollment} {part['billing_period']}"
            verdict.equal(told_file, (part["outcome"], part["file_bytes"]), ("published", len(objects.get(part["file"], b""))))
    listed(verdict, told, bench.program.ask("status", at), objects, truth)


def listed(verdict, told, run, objects, truth):
    slices = run.report if isinstance(run.report, list) else []
    verdict.equal(f"{told}: status lists each object", sorted(part["file"] for part in slices), sorted(objects)) or print(run.said())
    got = {(part["enrollment"], part["billing_period"]): (part["rows"], part["cost"]) for part in slices if part["dataset"] == "usage_details"}
    verdict.equal(f"{told}: status has rows and cost", got, {slice: (rows, sums[0]) for slice, (rows, sums) in truth.items()})


def marketplace(bench, told, at, service):
    """Another dataset, of which version 2 of the API shows only what is charged by usage."""
    wanted = {
        (enrollment, with_dash(period)): (truth["usage_based"]["rows"], (truth["usage_based"]["sums"]["extended_cost"],))
        for enrollment, periods in service.truth()["datasets"]["marketplace_charges"].items()
        for period, truth in periods.items()
    }
    for name, read in readers.READERS.items():
        said, got = [], None
        with readers.told(said):
            got = read(at, "marketplace_charges", ["extended_cost"])
        bench.verdict.equal(f"{told}: {name}, marketplace charges", said or got, wanted)


def forms(verdict, told, objects):
    """Each file begins with PAR1 and a salt of some length, and its digest is that of its bytes."""
    salts = {}
    for key, body in objects.items():
        page = readers.first_page(body)
        verdict.equal(f"{told}: {key} begins with", body[:4], b"PAR1")
        if page is not None:
            salts[key] = page - 4
            verdict.check(f"{told}: {key} has 1 to 4,096 bytes behind it", 1 <= page - 4 <= 4096, f"{page - 4} bytes")
        digest = readers.footer_of(body).get("billing_lake.digest")
        length = int.from_bytes(body[-8:-4], "little")
        counted = check_cells.hashlib.sha256(body[: len(body) - 8 - length]).hexdigest()
        verdict.equal(f"{told}: digest of {key}", digest, f"sha256:{counted}")
    lengths = sorted(salts.values())
    verdict.check(f"{told}: the salts are of many lengths", len(set(lengths)) > len(lengths) // 2, f"{len(lengths)} files, lengths {lengths}")


def same_as_local(verdict, told, at, objects, local):
    """Cell by cell and in order by PyArrow for every slice; by DuckDB, over the wire, for one."""
    files = {f"{file.parent.relative_to(local)}/data.parquet": file for file in local.rglob("*.parquet")}
    verdict.equal(f"{told}: the same slices as on the disk", sorted(objects), sorted(files))
    for key in objects.keys() & files.keys():
        there, here = readers.table_of(objects[key]), readers.table_of(files[key].read_bytes())
        verdict.check(f"{told}: {key}: each cell as on the disk", there.num_rows > 0 and there.equals(here), f"{there.num_rows} rows, {here.num_rows} on the disk")
    key = usage_key("200", "2024-03")
    if key in objects and key in files:
        verdict.equal(f"{told}: rows of {key} that differ, by DuckDB", readers.cells_that_differ(at, key, files[key]), 0)


def same_as_pages(verdict, told, body, expected):
    """Cell by cell as the pages say it, which no part of the program has read."""
    types_right, types, columns, sums = check_cells.by_pyarrow(pyarrow.BufferReader(body), expected.kinds)
    verdict.check(f"{told}: types of {expected.name}", types_right, str(types))
    for (name, _), got in zip(expected.kinds, columns):
        verdict.check(f"{told}: {name} as served", list(got) == expected.columns[name] and got, check_cells.difference(list(got), expected.columns[name]))
    for name, total in expected.rows.published_sums.items():
        verdict.equal(f"{told}: sum of {name} as served", plain(decimal.Decimal(sums[name])), plain(total))


def second_sync(bench, service, at):
    told, verdict, before = f"{at}, second sync", bench.verdict, at.data()
    bodies = service.truth()["counters"]["pages_served"]
    for enrollment in ENROLLMENTS:
        at.proxy.play()
        bench.succeeds(told, bench.program.sync(at, service, enrollment=enrollment, datasets=ALL), "unchanged")
        verdict.equal(f"{told}: requests that write data", [(request.method, request.path) for request in writes(at) if not is_own(request)], [])
        asked, slices = at.proxy.asked(method="GET", path=r"data\.parquet$"), len([key for key in before if f"enrollment={enrollment}/" in key])
        verdict.check(f"{told}: at most two reads a slice", len(asked) <= 2 * len(before), f"{len(asked)} reads for {slices} slices")
        long = [(request.path, request.answered) for request in asked if request.answered > FOOTER]
        verdict.equal(f"{told}: reads of more than a footer takes", long, [])
        lists = at.proxy.asked(**at.LIST)
        verdict.check(f"{told}: it has looked", lists and at.proxy.asked())
        print(f"  {told} of {enrollment}: {slices} slices, {len(at.proxy.asked())} requests, of these {len(lists)} listings, {len(asked)} reads of data")
    verdict.equal(f"{told}: pages served", service.truth()["counters"]["pages_served"] - bodies, 0)
    verdict.check(f"{told}: no object has changed", at.data() == before and before)


def restatement(bench, service, at, local):
    told, verdict, before, key = f"{at}, restatement", bench.verdict, at.data(), usage_key("100", "2024-02")
    old = truth_of(service)
    service.restate("100", "202402")
    truth = truth_of(service)
    verdict.check(f"{told}: the simulator serves other rows", old["100", "2024-02"] != truth["100", "2024-02"])
    for enrollment in ENROLLMENTS:
        at.proxy.play()
        run = bench.program.sync(at, service, enrollment=enrollment, datasets=ALL)
        bench.succeeds(told, run)
        replaced = lambda period: "published" if (enrollment, period) == ("100", "2024-02") else "unchanged"
        verdict.equal(f"{told}: outcomes of {enrollment}", outcomes(run), {period: replaced(period) for one, period in truth if one == enrollment})
        wrote = {request.path.partition(at.prefix + "/")[2] for request in writes(at) if not is_own(request)}
        verdict.equal(f"{told}: data written for {enrollment}", wrote, {key} if enrollment == "100" else set())
    after = at.data()
    verdict.equal(f"{told}: the same keys", sorted(after), sorted(before))
    verdict.equal(f"{told}: objects that have changed", [name for name in after if after[name].etag != before[name].etag], [key])
    bench.tidy(told, at, before)
    bench.reads(told, at, truth)
    bench.succeeds(f"{told} on the disk", bench.program.sync(local, service, datasets=ALL))
    objects = {name: at.get(name) for name in after}
    same_as_local(verdict, told, at, objects, local)
    forms(verdict, told, objects)


def names(bench, kind):
    """A lake at the root of its bucket, one beside a lake whose name begins alike, and an enrollment that is escaped."""
    told, verdict = f"{kind}, names", bench.verdict
    server = bench.stores.s3 if kind == "s3" else bench.stores.azure
    with bench.service(enrollments=MCA, months=1, rows_per_month=500) as service:
        truth, keys = truth_of(service), {usage_key(MCA, "2024-01"), f"billing_periods/enrollment={MCA.replace(':', '%3A')}/data.parquet"}
        with bench.place(kind, "root", server.create(f"root-{kind}")) as at:
            at.url, at.prefix = at.url.removesuffix("/" + at.prefix), ""
            bench.succeeds(f"{told}: a bucket's root", bench.program.sync(at, service, enrollment=MCA), "ok")
            bench.tidy(f"{told}: a bucket's root", at, keys)
            bench.reads(f"{told}: a bucket's root", at, truth)
        with bench.place(kind, "sibling") as at, bench.place(kind, "sibling") as other:
            other.prefix, other.url = at.prefix + "0", at.url + "0"
            for one in (other, at):
                bench.succeeds(f"{told}: siblings", bench.program.sync(one, service, enrollment=MCA), "ok")
            other.delete(usage_key(MCA, "2024-01"))
            run = bench.program.ask("status", at)
            files = [part["file"] for part in run.report or []]
            verdict.equal(f"{told}: status knows nothing of the sibling", sorted(files), sorted(keys)) or print(run.said())
            at.url += "/"
            bench.succeeds(f"{told}: a slash at the end", bench.program.sync(at, service, enrollment=MCA), "unchanged")
            bench.tidy(f"{told}: a slash at the end", at, keys)
            bench.reads(f"{told}: a slash at the end", at, truth)
