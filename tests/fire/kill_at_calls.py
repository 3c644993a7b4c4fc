"""Kills a publishing run at each system call that changes its lake, a reader beside it, and sees what is left.

    kill_at_calls.py BINARY [--step N | --all] [--workers 6] [--only TEXT]

A run that publishes three slices (two billing periods and their list) is killed by SIGKILL in front of every write, fsync,
rename, exchange, mkdir, unlink, flock and creating open it makes in the lake, once where version A is in place, and once
where there is no lake yet. After each kill every slice is wholly A, wholly B or not there; the next run completes and
cleans up; the one after it finds nothing to do; and no answer of the reader in all that time was half one version, half
another, or older than the one before. `--step N` takes each kind of call in each place at its first, its last and every
N-th between; by default N is 6.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import multiprocessing
import pathlib
import shutil
import sys
import tempfile
import time

import lakes
import system_calls
from billing_api import Api


TRIES = 5


@dataclasses.dataclass
class End:
    """How a kill ended."""

    target: tuple
    came_there: bool
    held: dict
    problems: list
    answers: int
    clean: dict

    def name(self):
        return self.target[0].split()[0]

    def left(self):
        return "".join(self.held.values())


def calls_of_a_run(binary, endpoint, lake):
    """Every call of a run that is let be, by label, in order."""
    labels, calls = lakes.Labels(lake), []

    def note(call):
        if lakes.changes(call):
            calls.append(labels.of(call))
        return system_calls.CONTINUE

    ran = lakes.run_supervised(binary, endpoint, lake, "B", note)
    problems = lakes.whole_in(lake, "B") if ran.code == 0 else [ran.said()]
    if problems:
        raise SystemExit(f"a run that nobody disturbs fails: {problems}")
    return calls


def chosen(calls, step):
    """First, last, and every `step`-th between of each kind of call in each place."""
    kinds = collections.defaultdict(list)
    for call in calls:
        kinds[call[0]].append(call)
    picked = set()
    for same in kinds.values():
        picked |= {same[0], same[-1], *same[::step]}
    return [call for call in calls if call in picked]


def killed(binary, endpoint, prepared, lake, target):
    """One kill and its aftermath. Two slices at once race for some folders above them, so a call may need a second run."""
    for _ in range(TRIES):
        end = killed_once(binary, endpoint, prepared, lake, target)
        if end.came_there:
            break
    return end


def killed_once(binary, endpoint, prepared, lake, target):
    lakes.copy(prepared, lake)
    labels = lakes.Labels(lake)

    def decide(call):
        hit = lakes.changes(call) and labels.of(call) == target
        return system_calls.KILL if hit else system_calls.CONTINUE

    before = lakes.checked_at(lake)
    with lakes.Reader(lake) as reader:
        ran = lakes.run_supervised(binary, endpoint, lake, "B", decide)
        held, problems = lakes.versions(lake)
        if ran.killed_at is None and ran.code != 0:
            problems.append(f"the run was not killed and failed: {ran.said()}")
        reader.wait()
        problems += after_a_death(binary, lake, held, before)
        if not problems:
            problems += lakes.next_runs(binary, endpoint, lake, held, "all" if prepared else "auto")
        reader.wait()
    lakes.remove(lake)
    return End(target, ran.killed_at is not None, held, problems + reader.problems(), reader.whole(), reader.clean)


def after_a_death(binary, lake, held, before):
    """What must be true whenever a run has died."""
    problems = lakes.unreadable_sides(lake) + lakes.status_problems(binary, lake)
    known = lakes.checked_at(lake)
    for slice, version in held.items():
        key = lakes.key_of(slice)
        if version != "B" and known.get(key) != before.get(key):
            problems.append(f"{slice} is {version}, but last_run.json says that it was checked")
    return problems


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("--step", type=int, default=6)
    options.add_argument("--all", action="store_true", help="every single call")
    options.add_argument("--workers", type=int, default=6)
    options.add_argument("--only", default="", help="only calls with this text in their name or path")
    options = options.parse_args()
    begin = time.monotonic()
    work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-kills-"))
    api = Api()
    results = {}
    try:
        lakes.prepare(options.binary, api.endpoint, work / "a")
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(options.workers, mp_context=context) as pool:
            for title, prepared in (("version A in place", work / "a"), ("no lake yet", None)):
                lakes.copy(prepared, work / "trace")
                calls = calls_of_a_run(options.binary, api.endpoint, work / "trace")
                lakes.remove(work / "trace")
                targets = calls if options.all else chosen(calls, options.step)
                targets = [target for target in targets if options.only in target[0]]
                waiting = [
                    pool.submit(killed, options.binary, api.endpoint, prepared, work / f"{len(results)}-{place}", target)
                    for place, target in enumerate(targets)
                ]
                results[title] = (calls, [done.result() for done in waiting])
    finally:
        api.stop()
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(tell(results, time.monotonic() - begin))


def tell(results, seconds):
    passed = failed = 0
    for title, (calls, ends) in results.items():
        made = collections.Counter(label.split()[0] for label, _ in calls)
        reached = [end for end in ends if end.came_there]
        print(f"{title}: a run makes {len(calls)} calls in the lake, killed at {len(reached)} of them")
        print("  call        made  killed  left behind (list of periods, 2024-01, 2024-02; - is nothing yet)")
        for name, count in sorted(made.items()):
            left = collections.Counter(end.left() for end in reached if end.name() == name)
            told = ", ".join(f"{held} {times}" for held, times in sorted(left.items()))
            print(f"  {name:10} {count:5} {left.total():7}  {told}")
        clean = sum((collections.Counter(end.clean) for end in ends), collections.Counter())
        told = ", ".join(f"{words!r} {times}" for words, times in clean.items())
        print(f"  readers: {sum(end.answers for end in ends)} whole answers, clean errors: {told or 'none'}")
        for end in ends:
            label, nth = end.target
            problems = list(end.problems)
            if not end.came_there:
                # Only who comes second to a folder can find it made.
                print(f"  not reached in {TRIES} runs: {label} (number {nth})")
                problems += ["the run never came there"] if nth == 1 else []
            failed, passed = failed + bool(problems), passed + (not problems and end.came_there)
            for problem in problems:
                print(f"FAILED {title}: killed at {label} (number {nth}), left {end.left()}: {problem}")
    print(f"{seconds:.0f} s")
    if passed + failed == 0:
        failed = 1
        print("FAILED nothing was killed")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
