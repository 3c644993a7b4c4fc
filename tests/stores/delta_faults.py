"""Delta tables in trouble: files and commits of others, two runs at once, deaths at random moments."""

import random
import signal
import time

import deltalake
import pyarrow

import delta_readers
import readers
from bench import AMOUNTS, truth_of, writes
from deaths import WRITES
from delta_lakes import one_file_each, reads, says_nothing, slice_of
from delta_readers import active, by_partition, key_of, log_of
from faulty import After, Before, Hold, LoseAnswer, Rule
from runs import Killer, outcomes

PERIODS = ("2024-01", "2024-02", "2024-03")
USAGE = "usage_details"
COMMIT = r"usage_details/_delta_log/\d+\.json$"


def restate(service, periods, enrollment="100"):
    for period in periods:
        service.restate(enrollment, period.replace("-", ""))


def is_new(bench, told, service, at):
    new = truth_of(service)
    one_file_each(bench, told, at, USAGE, new, new)
    reads(bench, told, at, USAGE, AMOUNTS, new)


# --- others -----------------------------------------------------------------------------------------------------------


def foreign(bench, kind):
    """deltalake appends a file of its own to a partition: it is named, and one `sync --force` heals it."""
    told, verdict = f"{kind}, a foreign file", bench.verdict
    key = ("100", PERIODS[1])
    with bench.service(months=3, rows_per_month=800) as service, bench.place(kind, "foreign") as at:
        bench.succeeds(told, bench.program.sync(at, service, "--layout", "delta"), "ok")
        rows = slice_of(at, USAGE, key).slice(0, 10)
        for name, value in zip(delta_readers.KEYS, key):
            rows = rows.append_column(name, pyarrow.array([value] * len(rows)))
        deltalake.write_deltalake(
            readers.url_for_readers(at, USAGE), rows, mode="append", partition_by=list(delta_readers.KEYS), storage_options=readers.storage_options(at) or None
        )
        files = by_partition(active(log_of(at, USAGE)))[key]
        strange = key_of(USAGE, files[-1]["path"])
        verdict.equal(f"{told}: active files of the partition", len(files), 2)
        status = bench.program.ask("status", at)
        slices = [part for part in status.report or [] if (part["dataset"], part["billing_period"]) == (USAGE, key[1])]
        named = [part for part in slices if part["problem"] or part["file"] == strange]
        verdict.check(f"{told}: status names the partition", named, f"{status.said()} {slices}")
        run = bench.program.ask("verify", at)
        print(f"  {told}: status says {[part['problem'] for part in slices]}; verify ends with {run.code}")
        verdict.check(f"{told}: verify does not call it right", run.code != 0, run.said())
        run = bench.program.sync(at, service)
        print(f"  {told}: the next sync ends with {run.code} and {outcomes(run)}; {len(by_partition(active(log_of(at, USAGE)))[key])} active")
        bench.succeeds(f"{told}, sync --force", bench.program.sync(at, service, "--force"))
        is_new(bench, f"{told}, sync --force", service, at)
        says_nothing(bench, f"{told}, sync --force", at)
        table = delta_readers.table_of(at, USAGE)
        table.optimize.compact()
        table.create_checkpoint()
        restate(service, PERIODS[:1])
        bench.succeeds(f"{kind}, after deltalake has compacted", bench.program.sync(at, service))
        is_new(bench, f"{kind}, after deltalake has compacted", service, at)


# --- two runs ---------------------------------------------------------------------------------------------------------


def company(bench, kind):
    """Two processes at once: of the same slices, and of different ones of the same tables."""
    verdict = bench.verdict
    with bench.service(enrollments="100,0200", months=3, rows_per_month=1000) as service, bench.place(kind, "company") as at, at.beside() as way:
        everything = "100,0200"
        for number in range(bench.rounds):
            # The first of all meets no table.
            told = f"{kind}, two runs of the same, {number + 1}"
            together(bench, told, service, at, way, [{"enrollment": everything}, {"enrollment": everything}])
            restate(service, PERIODS)
            restate(service, PERIODS, "0200")
            told = f"{kind}, two runs of different slices, {number + 1}"
            together(bench, told, service, at, way, [{"enrollment": "100"}, {"enrollment": "0200"}])
            restate(service, PERIODS)
            restate(service, PERIODS[1:], "0200")
        told = f"{kind}, after all"
        bench.succeeds(told, bench.program.sync(at, service, enrollment=everything), "ok")
        is_new(bench, told, service, at)
        before = at.data()
        bench.succeeds(f"{told}, again", bench.program.sync(at, service, enrollment=everything), "unchanged")
        verdict.check(f"{told}, again: nothing was committed", at.data() == before)
        says_nothing(bench, told, at)


def together(bench, told, service, at, way, asked):
    adds = lambda: sum("add" in action for actions in log_of(at, USAGE).values() for action in actions)
    before = adds()
    begun = [bench.program.begin_sync(place, service, "--layout", "delta", **options) for place, options in zip((at, way), asked)]
    published = 0
    for run in begun:
        bench.succeeds(told, run.end())
        published += sum(part["dataset"] == USAGE and part["outcome"] == "published" for part in (run.report or {}).get("slices", []))
    bench.verdict.check(f"{told}: something was published", published)
    bench.verdict.equal(f"{told}: as many files were added as slices published", adds() - before, published)
    is_new(bench, told, service, at)


# --- commits whose answers are lost, or that come too late -------------------------------------------------------------


def commits(bench, kind):
    """What only a proxy can play: on stores."""
    if kind == "disk":
        return
    with bench.service(months=1, rows_per_month=1000) as service, bench.place(kind, "commits") as at, at.beside() as way:
        bench.succeeds(f"{kind}, before commits", bench.program.sync(at, service, "--layout", "delta"), "ok")
        for what, fault in (("is lost", LoseAnswer()), ("breaks off", LoseAnswer(after=0))):
            restate(service, PERIODS[:1])
            told, before = f"{kind}, a commit whose answer {what}", max(log_of(at, USAGE))
            (rule,) = at.proxy.play(Rule(fault, path=COMMIT, times=1, **at.PUT))
            bench.succeeds(told, bench.program.sync(at, service), "ok")
            at.proxy.play()
            bench.verdict.check(f"{told}: it was played", rule.played)
            bench.verdict.equal(f"{told}: commits", max(log_of(at, USAGE)) - before, 1)
            is_new(bench, told, service, at)
        too_late(bench, service, at, way)
        cleaned_too_soon(bench, service, at, way)


def too_late(bench, service, at, way):
    """A run stands in front of its commit while another one commits newer rows: which of them stays, and that the next run heals."""
    told, held = f"{at}, a commit too late", Hold()
    restate(service, PERIODS[:1])
    old = truth_of(service)
    at.proxy.play(Rule(Before(held), path=COMMIT, times=1, **at.PUT))
    first = bench.program.begin_sync(at, service)
    bench.verdict.check(f"{told}: it stands in front of its commit", held.wait(first.over))
    restate(service, PERIODS[:1])
    new = truth_of(service)
    bench.succeeds(f"{told}: the other", bench.program.sync(way, service), "ok")
    is_new(bench, f"{told}: the other", service, at)
    held.release()
    first.end()
    at.proxy.play()
    bench.verdict.check(f"{told}: exit code 0 or 6", first.code in (0, 6), first.said())
    got = delta_readers.by_duckdb(at, USAGE, AMOUNTS)
    one_file_each(bench, told, at, USAGE, new)
    bench.verdict.check(f"{told}: one of the two states", got in (old, new), str(got))
    print(f"  {told}: it ends with {first.code}, {outcomes(first)}, and leaves the {'new' if got == new else 'old'} rows")
    bench.succeeds(f"{told}, the next sync", bench.program.sync(at, service))
    is_new(bench, f"{told}, the next sync", service, at)


def cleaned_too_soon(bench, service, at, way):
    """`clean --retention 0s` while a run stands in front of its commit. What readers see then is told; that the next sync heals it is checked."""
    told, held = f"{at}, cleaned in front of its commit", Hold()
    restate(service, PERIODS[:1])
    at.proxy.play(Rule(Before(held), path=COMMIT, times=1, **at.PUT))
    run = bench.program.begin_sync(at, service)
    bench.verdict.check(f"{told}: it stands there", held.wait(run.over))
    cleaned = bench.program.ask("clean", way, "--retention", "0s")
    held.release()
    run.end()
    at.proxy.play()
    bench.verdict.check(f"{told}: exit codes", cleaned.code == 0 and run.code in (0, 6), f"{cleaned.said()} {run.said()}")
    said, got = [], None
    with readers.told(said):
        got = delta_readers.by_deltalake(at, USAGE, AMOUNTS)
    print(f"  {told}: the run ends with {run.code}, readers see {said or ('the new rows' if got == truth_of(service) else got)}"[:200])
    bench.verdict.check(f"{told}: new rows or an error", said or got == truth_of(service))
    bench.succeeds(f"{told}, the next sync", bench.program.sync(at, service))
    is_new(bench, f"{told}, the next sync", service, at)


# --- deaths -----------------------------------------------------------------------------------------------------------


def deaths(bench, kind):
    """SIGKILL to a sync that replaces three slices, and to a first one: on disk at random moments, on a store around each of its writes."""
    verdict, chance = bench.verdict, random.Random(7)
    with bench.service(months=3, rows_per_month=4000) as service, bench.place(kind, "deaths") as at:
        killed_first(bench, kind, service, chance)
        bench.succeeds(f"{kind}, before deaths", bench.program.sync(at, service, "--layout", "delta"), "ok")
        restate(service, PERIODS)
        moments = moments_of_a_run(bench, f"{kind}, before deaths, restated", service, at, chance)
        died = halves = 0
        for number, moment in enumerate(moments):
            told, old = f"{kind}, death {number + 1}", truth_of(service)
            restate(service, PERIODS)
            new = truth_of(service)
            died += dies(service, bench, at, moment)
            halves += one_of(bench, told, at, old, new, number)
            bench.succeeds(f"{told}, the next sync", bench.program.sync(at, service))
            one_file_each(bench, f"{told}, the next sync", at, USAGE, new, new)
            name, read = list(delta_readers.READERS.items())[number % 3]
            verdict.equal(f"{told}, the next sync: {name}", read(at, USAGE, AMOUNTS), new)
        is_new(bench, f"{kind}, after {len(moments)} deaths", service, at)
        says_nothing(bench, f"{kind}, after {len(moments)} deaths", at)
        verdict.check(f"{kind}: most runs died", died > len(moments) // 2 > 0, f"{died} of {len(moments)}")
        print(f"  {kind}: {died} of {len(moments)} runs died, {halves} between two of their publications")


def moments_of_a_run(bench, told, service, at, chance):
    """Seconds from its start on; or which write, and whether in front of it or when the store has done it."""
    if at.kind != "disk":
        at.proxy.play()
    begin = time.monotonic()
    bench.succeeds(told, bench.program.sync(at, service, "--concurrency", "1"), "ok")
    long = time.monotonic() - begin
    if at.kind == "disk":
        return [long * chance.uniform(0.1, 1.0) for _ in range(bench.kills)]
    every = [(number, when) for number in range(1, len(writes(at)) + 1) for when in (Before, After)]
    bench.verdict.check(f"{told}: writes", len(every) >= 2 * 2 * len(PERIODS), f"{len(every) // 2}")
    return sorted(chance.sample(every, min(bench.kills, len(every))), key=every.index)


def dies(service, bench, at, moment):
    if at.kind == "disk":
        run = bench.program.begin_sync(at, service, "--concurrency", "1")
        run.over.wait(moment)
        run.kill()
    else:
        (number, when), killer = moment, Killer()
        at.proxy.play(Rule(when(killer), WRITES, first=number, times=1))
        run = killer.arm(bench.program.begin_sync(at, service, "--concurrency", "1")).end()
        at.proxy.play()
    return run.code == -signal.SIGKILL


def killed_first(bench, kind, service, chance):
    """Deaths of a run that makes the tables; each leaves something that the next one completes."""
    for number in range(3):
        with bench.place(kind, "first") as at:
            told = f"{kind}, death of a first run {number + 1}"
            run = bench.program.begin_sync(at, service, "--layout", "delta")
            run.over.wait(chance.uniform(0.02, 0.3))
            run.kill()
            bench.succeeds(f"{told}, the next sync", bench.program.sync(at, service, "--layout", "delta"))
            is_new(bench, f"{told}, the next sync", service, at)


def one_of(bench, told, at, old, new, number):
    """Each slice is in its old or its new state, to one reader and by the log; whether some are old and some new."""
    one_file_each(bench, told, at, USAGE, new)
    name, read = list(delta_readers.READERS.items())[number % 3]
    said, got = [], {}
    with readers.told(said):
        got = read(at, USAGE, AMOUNTS)
    whole = got.keys() == new.keys() and all(got[key] in (old[key], new[key]) for key in got)
    bench.verdict.check(f"{told}: {name} reads each slice old or new", whole, str(said or got))
    states = {got.get(key) == new[key] for key in new}
    return len(states) > 1
