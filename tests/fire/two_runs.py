"""Two runs at the same time on one lake, a reader beside them.

    two_runs.py BINARY [--rounds 12] [--step N] [--workers 8]

- the same slices, both runs served the same new version: both end well, the lake is new, and never goes back;
- the same slices, one run served the old version again (a stale read): each slice is wholly one of the two, and the next
  run heals it;
- different slices: each run's own are new;
- one run stopped (SIGSTOP) in front of one of its system calls, for calls all over a run, while another begins, cleans up
  and ends: what is staged by the living one survives that, and it completes when it is let go. Where the stopped run
  holds the lock of a slice, the other waits just for that slice, and is let go by it.
"""

import collections
import fcntl
import signal
import sys
import threading

import arena
import lakes
import system_calls
from kill_at_calls import calls_of_a_run, chosen

ONE, OTHER = ("2024-01", "2024-02")
WAIT = 60


def side_by_side(lake, commands, binary, endpoint):
    """Starts all, then waits for all."""
    begun = [lakes.begin(binary, endpoint, lake, version, *more, datasets=datasets) for version, datasets, more in commands]
    return [lakes.end(process) for process in begun]


def same_slices(binary, endpoint, prepared, lake, first):
    lakes.copy(None if first else prepared, lake)
    with lakes.Reader(lake) as reader:
        runs = side_by_side(lake, [("B", "all", ()), ("B", "all", ())], binary, endpoint)
        problems = [ran.said() for ran in runs if ran.code != 0]
        problems += lakes.whole_in(lake, "B")
        problems = problems or lakes.next_runs(binary, endpoint, lake, lakes.versions(lake)[0])
        reader.wait()
    lakes.remove(lake)
    outcomes = sorted("+".join(sorted(set(ran.outcomes().values()))) for ran in runs)
    return " / ".join(outcomes), problems + reader.problems(), reader.whole(), reader.clean


def stale_and_new(binary, endpoint, prepared, lake):
    lakes.copy(prepared, lake)
    with lakes.Reader(lake, forward=False) as reader:
        runs = side_by_side(lake, [("B", "all", ()), ("A", "all", ("--force",))], binary, endpoint)
        problems = [ran.said() for ran in runs if ran.code != 0]
        held, found = lakes.versions(lake)
        problems += found + lakes.litter(lake) + lakes.unreadable_sides(lake)
        problems += [f"{slice} is {version}" for slice, version in held.items() if version not in ("A", "B")]
        problems = problems or lakes.next_runs(binary, endpoint, lake, held)
        reader.wait()
    lakes.remove(lake)
    return "".join(held.values()), problems + reader.problems(), reader.whole(), reader.clean


def different_slices(binary, endpoint, prepared, lake):
    lakes.copy(prepared, lake)
    before = lakes.checked_at(lake)
    with lakes.Reader(lake) as reader:
        commands = [("B", "usage_details", (f"--periods={period}",)) for period in (ONE, OTHER)]
        runs = side_by_side(lake, commands, binary, endpoint)
        problems = [ran.said() for ran in runs if ran.code != 0]
        held, found = lakes.versions(lake)
        problems += found + lakes.litter(lake) + lakes.unreadable_sides(lake)
        problems += [f"{slice} is {version}" for slice, version in held.items() if version != ("A" if slice == "billing_periods" else "B")]
        after = lakes.checked_at(lake)
        noted = sum(after.get(key) != before.get(key) for key in map(lakes.key_of, lakes.PERIODS))
        problems = problems or lakes.next_runs(binary, endpoint, lake, held)
        reader.wait()
    lakes.remove(lake)
    return f"{noted} of 2 noted in last_run.json", problems + reader.problems(), reader.whole(), reader.clean


class Second:
    """A run that begins while the first is stopped. `over` is set when it has ended, or waits for a lock of the first."""

    def __init__(self, binary, endpoint, lake):
        self.over, self.waited, self.ran = threading.Event(), False, None
        self.thread = threading.Thread(target=self._run, args=(binary, endpoint, lake))
        self.thread.start()

    def _run(self, *where):
        try:
            self.ran = lakes.run_supervised(*where, "B", self._decide)
        finally:
            self.over.set()

    def _decide(self, call):
        if call.name == "flock" and "/_billing_lake/locks/" in call.paths[0] and held_by_another(call.paths[0]):
            self.waited = True
            self.over.set()
        return system_calls.CONTINUE


def held_by_another(path):
    with open(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def stopped(binary, endpoint, prepared, lake, label, nth):
    """The first run is stopped in front of a call until the second has ended."""
    lakes.copy(prepared, lake)
    labels, first, seconds = lakes.Labels(lake), [], []

    def decide(call):
        if lakes.changes(call) and labels.of(call) == (label, nth) and not seconds:
            first[0].send_signal(signal.SIGSTOP)
            seconds.append(Second(binary, endpoint, lake))
            seconds[0].over.wait(WAIT)
            first[0].send_signal(signal.SIGCONT)
        return system_calls.CONTINUE

    with lakes.Reader(lake) as reader:
        ran = lakes.run_supervised(binary, endpoint, lake, "B", decide, started=first.append)
        problems = [] if ran.code == 0 else [f"the stopped run: {ran.said()}"]
        how = "not reached"
        for second in seconds:
            second.thread.join()
            how = "waited for a slice" if second.waited else "ended first"
            if second.ran is None or second.ran.code != 0:
                problems.append(f"the run beside a stopped one: {second.ran and second.ran.said()}")
        problems += lakes.whole_in(lake, "B")
        problems = problems or lakes.next_runs(binary, endpoint, lake, lakes.versions(lake)[0])
        reader.wait()
    lakes.remove(lake)
    return how, problems + reader.problems(), reader.whole(), reader.clean


def main():
    parser = arena.options(__doc__, workers=8)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--step", type=int, default=20, help="of each kind of call, stop at every N-th")
    options = parser.parse_args()
    tally = arena.Tally()
    with arena.arena(options) as place:
        lake = place.lake()
        lakes.copy(place.prepared, lake)
        calls = chosen(calls_of_a_run(options.binary, place.api.endpoint, lake), options.step)
        for title, case, inputs in (
            ("the same slices", same_slices, [(False,)] * options.rounds),
            ("the same slices, no lake yet", same_slices, [(True,)] * options.rounds),
            ("the same slices, one run stale", stale_and_new, [()] * options.rounds),
            ("different slices", different_slices, [()] * options.rounds),
            ("one run stopped in front of a call", stopped, calls),
        ):
            ends = collections.Counter()
            for input, (how, problems, answers, clean) in zip(inputs, place.all(case, inputs)):
                ends[how] += 1
                tally.reader(answers, clean)
                tally.case(f"{title} {input if case is stopped else ''} ({how})", problems)
            told = ", ".join(f"{how}: {times}" for how, times in sorted(ends.items()))
            print(f"{title}, {len(inputs)} times: {told}\n  {tally.readers()}")
    sys.exit(tally.verdict())


if __name__ == "__main__":
    main()
