"""Runs beside each other on one lake, objects of others in the place of files, and lakes of many objects."""

import concurrent.futures
import io

import pyarrow
import pyarrow.parquet

from bench import is_own, truth_of, usage_key, writes
from faulty import Before, Hold, Rule
from runs import outcomes

ROUNDS = 3
PERIODS = ("2024-01", "2024-02")
KEYS = [usage_key("100", period) for period in PERIODS]
ALL_KEYS = ["billing_periods/enrollment=100/data.parquet", *KEYS]


def check(bench, kind):
    with bench.service(months=2, rows_per_month=2000) as service:
        for number in range(ROUNDS):
            with bench.place(kind, "two") as at:
                at_once(bench, service, at, f"{at}, two first runs, {number + 1}")
                restate(service)
                at_once(bench, service, at, f"{at}, two runs, {number + 1}")
                restate(service)
                parted(bench, service, at, f"{at}, two runs on parts, {number + 1}")
        with bench.place(kind, "stale") as at:
            stale(bench, service, at)
        with bench.place(kind, "damage") as at:
            damage(bench, service, at)
        with bench.place(kind, "many") as at:
            many(bench, service, at)


def restate(service):
    for period in PERIODS:
        service.restate("100", period.replace("-", ""))


def is_new(bench, told, service, at):
    """The lake holds what the simulator serves now, and the next sync finds it so."""
    new = truth_of(service)
    bench.tidy(told, at, ALL_KEYS)
    for slice, state in new.items():
        bench.slice_is(told, at, usage_key(*slice), state)
    bench.reads(told, at, new)
    before = at.data()
    bench.succeeds(f"{told}, the next sync", bench.program.sync(at, service), "unchanged")
    bench.verdict.check(f"{told}, the next sync: no file has changed", at.data() == before and before)


def at_once(bench, service, at, told):
    """Both do everything; what one has published the other finds, or publishes again."""
    with at.beside() as way:
        begun = [bench.program.begin_sync(place, service) for place in (at, way)]
        for run in begun:
            bench.succeeds(told, run.end())
    is_new(bench, told, service, at)


def parted(bench, service, at, told):
    """Each has its own period."""
    with at.beside() as way:
        begun = [
            bench.program.begin_sync(place, service, f"--periods={period}", datasets="usage_details")
            for place, period in zip((at, way), PERIODS)
        ]  # fmt: skip
        for run, period in zip(begun, PERIODS):
            bench.succeeds(told, run.end(), "ok")
            bench.verdict.equal(f"{told}: outcomes", outcomes(run), {period: "published"})
    is_new(bench, told, service, at)


def stale(bench, service, at):
    """A run that stood still for long puts old rows over new ones: whole, and the next run sees it."""
    told, held = f"{at}, a stale run", Hold()
    bench.succeeds(told, bench.program.sync(at, service), "ok")
    restate(service)
    old = truth_of(service)
    at.proxy.play(Rule(Before(held), path=KEYS[0], times=1, **at.PUT))
    first = bench.program.begin_sync(at, service)
    bench.verdict.check(f"{told}: it stands in front of a PUT", held.wait(first.over), first.said() if first.over.is_set() else "")
    restate(service)
    new = truth_of(service)
    with at.beside() as way:
        bench.succeeds(f"{told}: the other", bench.program.sync(way, service), "ok")
    bench.slice_is(f"{told}: the other", at, KEYS[0], new["100", PERIODS[0]])
    held.release()
    first.end()
    at.proxy.play()
    bench.verdict.check(f"{told}: exit code 0 or 6", first.code in (0, 6), first.said())
    state = bench.slice_is(told, at, KEYS[0], old["100", PERIODS[0]], new["100", PERIODS[0]])
    print(f"  {told}: exit code {first.code}, left the {'new' if state else 'old'} rows")
    run = bench.program.sync(at, service)
    bench.succeeds(f"{told}, the next sync", run)
    bench.verdict.equal(f"{told}, the next sync: outcome", outcomes(run).get(PERIODS[0]), "unchanged" if state else "published")
    is_new(bench, f"{told}, healed", service, at)


def damage(bench, service, at):
    """What lies where a slice's file should be is no file of the program: the slice is fetched again, the other is not."""
    bench.succeeds(f"{at}, before the damage", bench.program.sync(at, service), "ok")
    good, other, sink = at.get(KEYS[0]), at.get(KEYS[1]), io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"cost": [1.5], "who": ["somebody else"]}), sink)
    length = int.from_bytes(good[-8:-4], "little")
    cases = {
        "cut in half": good[: len(good) // 2],
        "cut at its end": good[:-1],
        "empty": b"",
        "four bytes": b"PAR1",
        "text": b"not a Parquet file\n" * 1000,
        "a footer's length beyond the file": good[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1",
        "a footer of zeros": good[: -8 - length] + bytes(length) + good[-8:],
        "Parquet of somebody else": sink.getvalue(),
        "the file of another period": other,
    }
    for what, body in cases.items():
        told = f"{at}, {what}"
        at.put(KEYS[0], body)
        before = at.data()
        status = bench.program.ask("status", at)
        bench.verdict.check(f"{told}: status survives", status.code in (0, 6) and "panicked" not in status.stderr, status.said())
        at.proxy.play()
        run = bench.program.sync(at, service)
        bench.succeeds(told, run)
        bench.verdict.equal(f"{told}: outcomes", outcomes(run), dict(zip(PERIODS, ("published", "unchanged"))))
        wrote = [request.path.partition(at.prefix + "/")[2] for request in writes(at) if not is_own(request)]
        bench.verdict.equal(f"{told}: files written", wrote, [KEYS[0]])
        bench.verdict.check(f"{told}: it is another object now", at.data()[KEYS[0]].etag != before[KEYS[0]].etag)
        is_new(bench, told, service, at)


def many(bench, service, at):
    """Copies of one file under other enrollments and periods: more than one page of a listing."""
    told, verdict = f"{at}, {bench.objects} objects", bench.verdict
    bench.succeeds(told, bench.program.sync(at, service), "ok")
    months = [f"{year}-{month:02}" for year in range(2015, 2024) for month in range(1, 13)]
    wanted = [usage_key(str(1000 + number // len(months)), months[number % len(months)]) for number in range(bench.objects)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: at.copy(KEYS[0], key), wanted))
    verdict.equal(f"{told}: are there", len(at.data()), len(wanted) + len(ALL_KEYS))
    at.proxy.play()
    run = bench.program.ask("status", at, measured=True)
    slices = run.report if isinstance(run.report, list) else []
    verdict.check(f"{told}: exit code of status", run.code == 0, run.said())
    verdict.equal(f"{told}: status lists all", (len(slices), sorted(part["file"] for part in slices)), (len(wanted) + len(ALL_KEYS), sorted([*wanted, *ALL_KEYS])))
    rows = truth_of(service)["100", PERIODS[0]][0]
    # A footer says whose file it is, so a copy is told from a file of that slice.
    unread = [part["file"] for part in slices if part["file"] in set(wanted) and part["rows"] != rows and not part["problem"]]
    verdict.equal(f"{told}: status has read each", unread, [])
    asked = at.proxy.asked()
    next_pages = at.proxy.asked(**at.NEXT_PAGE)
    at_a_time = 1000 if at.kind == "s3" else 5000
    verdict.check(f"{told}: further pages were asked for", len(next_pages) >= len(wanted) // at_a_time, f"{len(next_pages)} of them")
    reads = at.proxy.asked("GET", path=r"data\.parquet$")
    verdict.check(f"{told}: at most two reads a file", len(reads) <= 2 * len(slices), f"{len(reads)} reads")
    print(f"  {told}: status made {len(asked)} requests, {len(at.proxy.asked(**at.LIST))} listings, {len(reads)} reads of files; peak {run.peak / (1 << 20):.0f} MiB")
    before = at.data()
    at.proxy.play()
    bench.succeeds(f"{told}: a sync", bench.program.sync(at, service), "unchanged")
    verdict.check(f"{told}: a sync changes no file", at.data() == before)
    print(f"  {told}: an unchanged sync of 3 slices made {len(at.proxy.asked())} requests, {len(at.proxy.asked('GET', path='data.parquet$'))} reads of files")
