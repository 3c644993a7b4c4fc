"""SIGKILL at every request of a run that changes something on the store: in front of it, and right after it was done."""

import signal

import readers
from bench import truth_of, usage_key, writes
from faulty import After, Before, Rule
from runs import Killer, outcomes

WRITES = ("PUT", "POST", "DELETE", "PATCH")
LARGE_FORM = ("--compression", "none")
LARGE_ROWS = 35_000  # two parts


def check(bench, kind):
    with bench.service(months=2, rows_per_month=1000) as service, bench.place(kind, "prepared") as prepared:
        every_write(bench, service, prepared, ())
    with bench.service(months=1, rows_per_month=LARGE_ROWS, data="unique", page_rows=5000) as service, bench.place(kind, "prepared") as prepared:
        every_write(bench, service, prepared, LARGE_FORM)


def every_write(bench, service, prepared, form):
    """Of a first run, and of one that replaces everything."""
    told = f"{prepared}, {'files in parts' if form else 'small files'}"
    nothing = truth_of(service)
    with bench.place(prepared.kind, "first") as at:
        first = writes_of_a_run(bench, f"{told}, a first run", service, at, form)
    bench.succeeds(f"{told}, before", bench.program.sync(prepared, service, *form), "ok")
    for moment in moments(first):
        with bench.place(prepared.kind, "first") as at:
            dies(bench, f"{told}, a first run", service, at, form, moment, None, nothing)
    for _, period in nothing:
        service.restate("100", period.replace("-", ""))
    new = truth_of(service)
    with bench.copy(prepared, "replaced") as at:
        again = writes_of_a_run(bench, f"{told}, a run that replaces", service, at, form)
    for moment in moments(again):
        with bench.copy(prepared, "replaced") as at:
            dies(bench, f"{told}, a run that replaces", service, at, form, moment, nothing, new)
    print(f"  {told}: {first} requests of a first run change something, {again} of one that replaces")


def moments(count):
    return [(number, when) for number in range(1, count + 1) for when in (Before, After)]


def writes_of_a_run(bench, told, service, at, form):
    at.proxy.play()
    bench.succeeds(told, bench.program.sync(at, service, *form), "ok")
    count = len(writes(at))
    bench.verdict.check(f"{told}: requests that change something", count >= len(truth_of(service)) + 1, f"{count}")
    return count


def is_unnoted(at, when, asked):
    """Whether the death came after an upload was begun and before it was noted."""
    begins = [at.kind == "s3" and bool(one.fits(**at.BEGIN)) for one in asked]
    return bool(begins) and (begins[-1] if when is After else begins[0] and len(asked) == 2)


def dies(bench, told, service, at, form, moment, old, new):
    """One death, what it leaves, and the two runs after it."""
    number, when = moment
    verdict, killer = bench.verdict, Killer()
    at.proxy.play(Rule(when(killer), WRITES, first=number, times=1))
    run = killer.arm(bench.program.begin_sync(at, service, *form)).end()
    at.proxy.quiet()
    asked = writes(at)[max(0, number - 2) : number]
    unnoted = is_unnoted(at, when, asked)
    asked = asked[-1:]
    told = f"{told}, killed {when.__name__.lower()} write {number} ({' '.join(f'{one.method} {one.path.partition(at.prefix)[2]}' for one in asked)})"
    # The last write may be the last act, too.
    if not verdict.check(f"{told}: it was", killer.hit and run.code in (-signal.SIGKILL, 0), f"hit {killer.hit}, {run.said()}"):
        return
    at.proxy.play()
    keys = {"billing_periods/enrollment=100/data.parquet", *(usage_key(*slice) for slice in new)}
    there = at.data()
    verdict.check(f"{told}: nothing but files of the lake", there.keys() <= keys and (not old or there.keys() == keys), str(sorted(there)))
    bench.own_are_whole(told, at)
    states = {}
    for slice in new:
        key = usage_key(*slice)
        if key in there:
            states[slice] = bench.slice_is(told, at, key, new[slice], *([old[slice]] if old else []))
    for key in there.keys() - {usage_key(*slice) for slice in new}:
        said = []
        with readers.told(said):
            verdict.check(f"{told}: {key} has rows", readers.table_of(at.get(key)).num_rows == len(new))
        verdict.check(f"{told}: {key} is whole", not said, str(said))
    if "_billing_lake/lake.json" in at.own():
        status = bench.program.ask("status", at)
        files = [part["file"] for part in status.report or [] if isinstance(status.report, list)]
        verdict.check(f"{told}: status lists what is there", status.code == 0 and sorted(files) == sorted(there), status.said())
    run = bench.program.sync(at, service, *form)
    bench.succeeds(f"{told}, the next sync", run)
    expected = {period: "unchanged" if states.get((enrollment, period)) == 0 else "published" for enrollment, period in new}
    verdict.equal(f"{told}, the next sync: outcomes", outcomes(run), expected)
    bench.tidy(f"{told}, the next sync", at, keys, unnoted)
    for slice in new:
        bench.slice_is(f"{told}, the next sync", at, usage_key(*slice), new[slice])
    before = at.data()
    bench.succeeds(f"{told}, the sync after it", bench.program.sync(at, service, *form), "unchanged")
    verdict.check(f"{told}, the sync after it: no file has changed", at.data() == before)
