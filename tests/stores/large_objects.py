"""Files that are uploaded in parts: that they are, in how little memory, and what dies with an upload that ends early."""

import pathlib
import re
import signal
import socket

from bench import truth_of, usage_key
from faulty import After, Before, Hold, Rule
from runs import Killer, outcomes

MIB = 1 << 20
ROWS = 70_000  # of one billing period: 25 MB when nothing is compressed
MANY_ROWS = 350_000
MEMORY = 80  # the least that a run into a store takes
FORM = ("--compression", "none", "--memory", f"{MEMORY}MiB")
PERIOD, KEY = "2024-01", usage_key("100", "2024-01")
DATASETS = "usage_details"


def check(bench, kind):
    memory(bench, kind)
    with bench.service(months=1, rows_per_month=ROWS, data="unique", page_rows=5000) as service:
        with bench.place(kind, "first") as at:
            killed_in_the_first_upload(bench, service, at)
        with bench.place(kind, "large") as at:
            in_parts(bench, service, at)
            for way in ("sync", "clean"):
                killed_in_an_upload(bench, service, at, way)
            killed_at_the_end(bench, service, at, Before)
            killed_at_the_end(bench, service, at, After)
            of_another_machine(bench, service, at)
            ended_by_a_signal(bench, service, at)
            beside_a_living_upload(bench, service, at)


class Changed:
    """The billing period is restated: what the object holds now, and what it must hold after a sync."""

    def __init__(self, service, at):
        self.old = truth_of(service)
        service.restate("100", PERIOD.replace("-", ""))
        self.new, self.objects = truth_of(service), at.data()
        assert self.old != self.new and KEY in self.objects, "there is nothing to replace"


def sync(bench, service, at, *more):
    return bench.program.sync(at, service, *FORM, *more, datasets=DATASETS)


def begin(bench, service, at):
    return bench.program.begin_sync(at, service, *FORM, datasets=DATASETS)


def memory(bench, kind):
    told = f"{kind}, a file of more bytes than --memory"
    with bench.service(months=1, rows_per_month=MANY_ROWS, data="unique", page_rows=5000) as service, bench.place(kind, "memory") as at:
        run = bench.program.sync(at, service, "--memory", f"{MEMORY - 1}MiB", datasets=DATASETS)
        bench.verdict.check(f"{told}: less memory is refused", run.code == 2 and "MiB" in run.stderr, run.said())
        bench.verdict.equal(f"{told}: before anything is written", sorted(at.list()), [])
        run = bench.program.sync(at, service, *FORM, datasets=DATASETS, measured=True)
        if not bench.succeeds(told, run, "ok"):
            return
        size = at.data()[KEY].size
        print(f"  {kind}: peak {run.peak / MIB:.1f} MiB with --memory {MEMORY}MiB, for a file of {size / MIB:.1f} MiB")
        bench.verdict.check(f"{told}: it is", size > 1.5 * MEMORY * MIB, f"{size} bytes")
        bench.verdict.check(f"{told}: peak", MIB < run.peak <= MEMORY * MIB, f"{run.peak / MIB:.1f} MiB")
        bench.reads(told, at, truth_of(service))


def in_parts(bench, service, at):
    told, verdict = f"{at}, a large file", bench.verdict
    at.proxy.play()
    bench.succeeds(told, sync(bench, service, at), "ok")
    parts = at.proxy.asked(path=f"{KEY}$", **at.PART)
    sizes = [request.sent for request in parts]
    verdict.check(f"{told}: parts", len(parts) >= 2, f"{len(parts)} parts")
    verdict.equal(f"{told}: objects put whole", len(at.proxy.asked(path=f"{KEY}$", **at.PUT)), 0)
    verdict.equal(f"{told}: lists of parts", len(at.proxy.asked(path=f"{KEY}$", **at.COMPLETE)), 1)
    listed = at.data().get(KEY)
    verdict.equal(f"{told}: its bytes are those of the parts", listed and listed.size, sum(sizes))
    if at.kind == "s3":
        verdict.equal(f"{told}: uploads begun", len(at.proxy.asked(path=f"{KEY}$", **at.BEGIN)), 1)
        verdict.check(f"{told}: its ETag is that of parts", listed and re.search(rf"-{len(parts)}\"$", listed.etag), str(listed))
    bench.tidy(told, at, [KEY])
    bench.reads(told, at, truth_of(service))
    print(f"  {told}: {len(parts)} parts of {min(sizes, default=0) / MIB:.1f} to {max(sizes, default=0) / MIB:.1f} MiB")


def dies(bench, told, service, at, rule, killer):
    """A run that is killed at the request that the rule is about."""
    at.proxy.play(rule)
    run = killer.arm(begin(bench, service, at)).end()
    at.proxy.quiet()
    at.proxy.play()
    right = bench.verdict.check(f"{told}: it was killed there", killer.hit and run.code == -signal.SIGKILL, run.said())
    if right:
        bench.own_are_whole(told, at)
    return right


def heals(bench, told, service, at, new, outcome="published"):
    """The next sync brings the lake to its end, and leaves nothing of what was before."""
    run = sync(bench, service, at)
    bench.succeeds(f"{told}, the next sync", run)
    bench.verdict.equal(f"{told}, the next sync: outcome", outcomes(run), {PERIOD: outcome})
    bench.tidy(f"{told}, the next sync", at, [KEY])
    bench.slice_is(f"{told}, the next sync", at, KEY, new["100", PERIOD])


def killed_in_the_first_upload(bench, service, at):
    told, killer = f"{at}, killed in the first upload", Killer()
    if dies(bench, told, service, at, Rule(Before(killer), first=2, **at.PART), killer):
        bench.verdict.equal(f"{told}: what readers see", sorted(at.data()), [])
        bench.verdict.check(f"{told}: something was uploaded", KEY in at.uploads(), str(at.uploads()))
    heals(bench, told, service, at, truth_of(service))


def killed_in_an_upload(bench, service, at, way):
    told, verdict, killer, now = f"{at}, killed in an upload, then {way}", bench.verdict, Killer(), Changed(service, at)
    if dies(bench, told, service, at, Rule(Before(killer), first=2, **at.PART), killer):
        verdict.check(f"{told}: no object has changed", at.data() == now.objects)
        bench.reads(f"{told}: the old file", at, now.old)
        left(bench, told, at)
    if way == "clean":
        run = bench.program.ask("clean", at)
        verdict.check(f"{told}: exit code of clean", run.code == 0, run.said())
        bench.tidy(f"{told}, clean", at, [KEY])
        verdict.check(f"{told}: clean has changed no object", at.data() == now.objects)
    heals(bench, told, service, at, now.new)


def left(bench, told, at):
    """What a dead upload leaves: parts that nobody sees, and one note that names them. Gives the note's key.

    Nobody can abort blocks on Azure: there is nothing to note."""
    bench.verdict.equal(f"{told}: uploads", at.uploads(), [KEY])
    notes = sorted(at.own("staging"))
    if at.kind != "s3":
        return notes[0] if notes else None
    if not bench.verdict.check(f"{told}: one note on it", len(notes) == 1, str(notes)):
        return None
    text = at.get(notes[0]).decode()
    bench.verdict.check(f"{told}: the note names it", all(name in text for name in [KEY, *at.upload_ids()]), text[:300])
    return notes[0]


def killed_at_the_end(bench, service, at, when):
    """In front of the request that completes the upload, and right after the store has done it."""
    told, killer, now = f"{at}, killed {when.__name__.lower()} the end of an upload", Killer(), Changed(service, at)
    if dies(bench, told, service, at, Rule(when(killer), **at.COMPLETE), killer):
        expected = now.old if when is Before else now.new
        bench.reads(told, at, expected)
    heals(bench, told, service, at, now.new, "published" if when is Before else "unchanged")


def of_another_machine(bench, service, at):
    """What another machine's run has noted just now may be alive: nobody aborts it."""
    told, killer, now = f"{at}, an upload of another machine", Killer(), Changed(service, at)
    if dies(bench, told, service, at, Rule(Before(killer), first=2, **at.PART), killer) and (note := left(bench, told, at)):
        text, mine = at.get(note), machine_names()
        moved = text.decode()
        for name in mine:
            moved = moved.replace(name, name[::-1])
        if bench.verdict.check(f"{told}: the note names the machine", moved.encode() != text, f"none of {mine} in {moved[:300]}"):
            at.put(note, moved.encode())
            run = bench.program.ask("clean", at)
            bench.verdict.check(f"{told}: exit code of clean", run.code == 0, run.said())
            bench.verdict.equal(f"{told}: is not aborted", (at.uploads(), sorted(at.own("staging"))), ([KEY], [note]))
            at.put(note, text)
    heals(bench, told, service, at, now.new)


def machine_names():
    names = [socket.gethostname()]
    for file in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        if pathlib.Path(file).exists():
            names.append(pathlib.Path(file).read_text().strip())
    return [name for name in names if name and name != name[::-1]]


def ended_by_a_signal(bench, service, at):
    """The store does not answer, and SIGTERM comes: the run ends, and says nothing that is not true."""
    told, held, now = f"{at}, SIGTERM in an upload", Hold(), Changed(service, at)
    at.proxy.play(Rule(Before(held), first=2, **at.PART))
    run = begin(bench, service, at)
    bench.verdict.check(f"{told}: it came there", held.wait(run.over))
    run.send(signal.SIGTERM)
    run.end()
    held.release()
    at.proxy.quiet()
    at.proxy.play()
    bench.verdict.check(f"{told}: exit code 143", run.code == 143, run.said())
    bench.verdict.check(f"{told}: no object has changed", at.data() == now.objects)
    print(f"  {told}: left {len(at.uploads())} uploads and {len(at.own('staging'))} notes")
    heals(bench, told, service, at, now.new)


def beside_a_living_upload(bench, service, at):
    """While one run stands in an upload, `clean` leaves it alone, and another run may bring the same rows.

    On Azure the blocks of two uploads lie at one blob, and the first list of blocks throws the others away: the first run
    then fails cleanly, or begins its upload anew.
    """
    told, verdict, held, now = f"{at}, beside a living upload", bench.verdict, Hold(), Changed(service, at)
    at.proxy.play(Rule(Before(held), first=2, times=1, **at.PART))
    first = begin(bench, service, at)
    verdict.check(f"{told}: the first is in it", held.wait(first.over), first.said() if first.over.is_set() else "")
    with at.beside() as way:
        run = bench.program.ask("clean", way)
        verdict.check(f"{told}: exit code of clean", run.code == 0, run.said())
        left(bench, f"{told}, clean", at)
        verdict.check(f"{told}: clean has changed no object", at.data() == now.objects)
        bench.succeeds(f"{told}: the second", sync(bench, service, way))
        if at.kind == "s3":
            left(bench, f"{told}, the second", at)
        bench.slice_is(f"{told}: the second", at, KEY, now.new["100", PERIOD])
    held.release()
    first.end()
    at.proxy.play()
    verdict.check(f"{told}: the first ends well, or cleanly", first.code == 0 or (first.code == 6 and at.kind != "s3"), first.said())
    bench.slice_is(f"{told}: the first", at, KEY, now.new["100", PERIOD])
    if first.code == 0:
        bench.tidy(told, at, [KEY])
    heals(bench, told, service, at, now.new, "unchanged")
