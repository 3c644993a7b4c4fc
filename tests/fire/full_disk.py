"""Fails each system call of a publishing run as a full, broken or forbidden disk does, and sees what is told and left.

    full_disk.py BINARY [--step N | --all] [--only TEXT] [--workers 10]

`--all` takes every call with each of its errors; otherwise each kind of call in each place fails at its first, its last
and every N-th (12) between, in one of its ways by turns.

The program's own calls fail, one a run: writes with ENOSPC (this one alone, or it and everything after it, as on a full
disk), flushes with EIO, renames and exchanges with EIO, EROFS or EACCES, new folders with ENOSPC, EACCES or EROFS, opens
with EACCES, locks with ENOLCK, removals with EIO. Each such run ends with exit code 6, names the path and gives a hint in
the report; every slice is wholly the old version or the new one, and not the old one where the report says `published`;
nothing lies where a reader sees it; and the next run heals. Where small files of the tool's own could not be written, or
something could not be removed, a run that published everything may also end with 0.
"""

import collections
import dataclasses
import sys

import arena
import lakes
import system_calls
from kill_at_calls import TRIES, chosen

WRITES = ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate")
# What each call fails with; `on` means: and every call after it that needs space.
FAULTS = {
    **{name: ("ENOSPC", "ENOSPC on") for name in WRITES},
    **{name: ("EIO",) for name in ("fsync", "fdatasync", "unlink", "unlinkat", "rmdir")},
    **{name: ("EIO", "EROFS", "EACCES") for name in ("rename", "renameat", "renameat2", "link", "linkat")},
    **{name: ("ENOSPC", "EACCES", "EROFS") for name in ("mkdir", "mkdirat")},
    "openat": ("EACCES",),
    "flock": ("ENOLCK",),
}
NEED_SPACE = (*WRITES, "mkdir", "mkdirat")


@dataclasses.dataclass
class End:
    """How a run with a failing call ended."""

    label: str
    nth: int
    fault: str
    code: int
    came_there: bool
    left: str
    problems: list
    answers: int
    clean: dict

    def name(self):
        return self.label.split()[0]


def faults(targets, all):
    """What fails, and how: every call in each of its ways, or in one of them by turns, and one in four of the opens."""
    turns = collections.Counter()
    for label, nth in targets:
        name = label.split()[0]
        ways = FAULTS.get(name, ())
        if not all and ways:
            turns[name] += 1
            skipped = name == "openat" and turns[name] % 4 != 1
            ways = () if skipped else ways[turns[name] % len(ways) :][:1]
        for way in ways:
            yield label, nth, way


def every_call(binary, endpoint, lake):
    """Every call of a run that is let be, reads of the lake too, by label, in order."""
    labels, calls = lakes.Labels(lake), []

    def note(call):
        calls.append(labels.of(call))
        return system_calls.CONTINUE

    ran = lakes.run_supervised(binary, endpoint, lake, "B", note)
    if ran.code != 0:
        raise SystemExit(f"a run that nobody disturbs fails: {ran.said()}")
    return calls


def failed(binary, endpoint, prepared, lake, label, nth, fault, first):
    for _ in range(TRIES):
        end = failed_once(binary, endpoint, None if first else prepared, lake, label, nth, fault)
        if end.came_there:
            break
    return end


def failed_once(binary, endpoint, prepared, lake, label, nth, fault):
    lakes.copy(prepared, lake)
    labels, met = lakes.Labels(lake), []
    error, _, full = fault.partition(" ")

    def decide(call):
        if labels.of(call) == (label, nth):
            met.append(call)
            return system_calls.fail(error)
        needs_space = call.name in NEED_SPACE or call.creates()
        return system_calls.fail(error) if full and met and needs_space else system_calls.CONTINUE

    with lakes.Reader(lake) as reader:
        ran = lakes.run_supervised(binary, endpoint, lake, "B", decide)
        held, problems = lakes.versions(lake)
        problems += lakes.unreadable_sides(lake) + told(ran, held, lake, met)
        if not problems:
            problems += lakes.next_runs(binary, endpoint, lake, held)
        reader.wait()
    lakes.remove(lake)
    left = "".join(held.values())
    return End(label, nth, fault, ran.code, bool(met), left, problems + reader.problems(), reader.whole(), reader.clean)


def told(ran, held, lake, met):
    """What is wrong with how a run told of its failure."""
    if not met:
        return [] if ran.code == 0 else [ran.said()]
    published = [slice for slice, outcome in ran.outcomes().items() if outcome == "published"]
    problems = [f"{slice} was published, says the report, and is {held[slice]}" for slice in published if held[slice] != "B"]
    if ran.code == 0:
        # Nothing that matters failed.
        return problems + [f"exit 0, but {slice} is {version}" for slice, version in held.items() if version != "B"]
    return problems + destination_problems(ran, lake)


def destination_problems(ran, lake):
    """Exit code 6, and an error that names the path and gives a hint."""
    if ran.code != 6 or ran.report is None:
        return [f"not exit 6 with a report but {ran.said()}"]
    errors = [ran.report["error"], *(part["error"] for part in ran.report["slices"])]
    errors = [error for error in errors if error]
    problems = [] if errors else ["no error in the report"]
    for error in errors:
        if error["kind"] != "destination" or str(lake) not in error["message"]:
            problems.append(f"not an error of the destination that names its path: {error}")
        elif not error["hint"]:
            problems.append(f"no hint: {error['message'].rpartition(': ')[2]}")
    if "\n" in "".join(error["message"] for error in errors):
        problems.append("a message of more than one line")
    return problems


def main():
    parser = arena.options(__doc__, workers=10)
    parser.add_argument("--step", type=int, default=12)
    parser.add_argument("--all", action="store_true", help="every single call with each of its errors")
    parser.add_argument("--only", default="", help="only calls with this text in their name or path")
    options = parser.parse_args()
    tally = arena.Tally()
    with arena.arena(options) as place:
        for title, prepared in (("version A in place", place.prepared), ("no lake yet", None)):
            lake = place.lake()
            lakes.copy(prepared, lake)
            calls = every_call(options.binary, place.api.endpoint, lake)
            targets = calls if options.all else chosen(calls, options.step)
            targets = [target for target in targets if options.only in target[0]]
            cases = [(*case, prepared is None) for case in faults(targets, options.all)]
            tell(title, calls, place.all(failed, cases), tally)
    sys.exit(tally.verdict())


def tell(title, calls, ends, tally):
    made = collections.Counter(label.split()[0] for label, _ in calls)
    print(f"{title}: a run makes {len(calls)} calls in the lake, reading opens among them")
    print("  call        fails with  made  runs  exit codes    left behind (list of periods, 2024-01, 2024-02; - is nothing)")
    reached = [end for end in ends if end.came_there]
    for name, fault in sorted({(end.name(), end.fault) for end in reached}):
        same = [end for end in reached if (end.name(), end.fault) == (name, fault)]
        codes = ", ".join(f"{code}: {times}" for code, times in sorted(collections.Counter(end.code for end in same).items()))
        left = ", ".join(f"{state} {times}" for state, times in sorted(collections.Counter(end.left for end in same).items()))
        print(f"  {name:10}  {fault:10} {made[name]:5} {len(same):5}  {codes:12}  {left}")
    for place in sorted({end.label for end in reached if end.code == 0}):
        print(f"  exit 0 although it failed: {place}")
    for end in ends:
        tally.reader(end.answers, end.clean)
        if not end.came_there:
            print(f"  not reached in {TRIES} runs: {end.label} (number {end.nth})")
            continue
        tally.case(f"{title}: {end.fault} at {end.label} (number {end.nth}), exit {end.code}, left {end.left}", end.problems)
    print(f"  {tally.readers()}")


if __name__ == "__main__":
    main()
