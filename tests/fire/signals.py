"""Ends runs by SIGTERM and SIGINT, a reader beside them, and sees how long they take and what is left.

    signals.py BINARY [--signals 60] [--seed 1] [--workers 6]

The signals come at random moments of a run; while the API keeps a page to itself; while a slice's lock is held by another;
in the last second of a run; and twice. A run ends by itself within 60 seconds (the longest time is printed: it is to be
under 5), with exit code 143 or 130, a report if it prints one is whole, and the lake is as after any other death: each
slice wholly one version, the next run completes and cleans up, and the one after it finds nothing to do.
"""

import collections
import dataclasses
import fcntl
import pathlib
import random
import signal
import sys
import threading
import time

import arena
import lakes
import system_calls
from billing_api import Api
from kill_at_random import lengths

LIMIT = 60
CODES = {"SIGTERM": 143, "SIGINT": 130}


@dataclasses.dataclass
class End:
    """How a run ended after a signal."""

    code: int
    seconds: float
    left: str
    reported: bool
    staged: int
    problems: list
    answers: int
    clean: dict


def ended(binary, endpoint, prepared, lake, name, send):
    """A run that `send(process, signal)` ends, and its aftermath. `send` gives the time of its (first) signal."""
    lakes.copy(prepared, lake)
    before = lakes.checked_at(lake)
    with lakes.Reader(lake) as reader:
        process = lakes.begin(binary, endpoint, lake, "B")
        at = send(process, getattr(signal, name))
        ran = lakes.end(process, LIMIT)
        seconds = time.monotonic() - at
        problems = aftermath(ran, name)
        held, found = lakes.versions(lake)
        staged = len(list((pathlib.Path(lake) / "_billing_lake/staging").glob("*")))
        problems += found + lakes.after_a_death(binary, lake, held, before)
        problems = problems or lakes.next_runs(binary, endpoint, lake, held)
        reader.wait()
    lakes.remove(lake)
    problems += reader.problems()
    return End(ran.code, seconds, "".join(held.values()), ran.report is not None, staged, problems, reader.whole(), reader.clean)


def aftermath(ran, name):
    """A run that was faster than the signal ends with 0; one that was too young to hear it dies of it, as any process."""
    if ran.code not in (CODES[name], 0, -getattr(signal, name)):
        return [f"not exit {CODES[name]} but {ran.said()}"]
    if ran.code == CODES[name] and ran.report:
        told = ran.report["error"]
        done = set(ran.outcomes().values()) <= {"published", "unchanged"} and len(ran.outcomes()) == len(lakes.SLICES)
        # Who interrupts the last second of a run finds everything done.
        if not done and (not told or told["kind"] in ("internal", "data")):
            return [f"the report does not tell of the interruption: {told}"]
    return []


def at_random(binary, endpoint, prepared, lake, name, first, delay):
    def send(process, number):
        time.sleep(delay)
        process.send_signal(number)
        return time.monotonic()

    return ended(binary, endpoint, None if first else prepared, lake, name, send)


def twice(binary, endpoint, prepared, lake, name, delay):
    """A second signal, of the other kind too, while the first one is being heeded."""

    def send(process, number):
        time.sleep(delay)
        process.send_signal(number)
        at = time.monotonic()
        time.sleep(delay / 8)
        process.send_signal(number)
        return at

    return ended(binary, endpoint, prepared, lake, name, send)


def silent_api(binary, endpoint, prepared, lake, name, page):
    """The API takes the request for a page and does not answer."""
    asked, over = threading.Event(), threading.Event()

    def hold(version, period, number):
        if version == "B" and number == page and not over.is_set():
            asked.set()
            over.wait(LIMIT)

    def send(process, number):
        asked.wait(LIMIT)
        process.send_signal(number)
        at = time.monotonic()
        threading.Thread(target=lambda: (process.wait(), over.set()), daemon=True).start()
        return at

    api = Api(hold)
    try:
        return ended(binary, api.endpoint, prepared, lake, name, send)
    finally:
        over.set()
        api.stop()


def locked(binary, endpoint, prepared, lake, name, slice):
    """Another process holds a slice's lock, and keeps it until the run has ended."""
    lakes.copy(prepared, lake)
    path = pathlib.Path(lake) / "_billing_lake/locks" / (lakes.key_of(slice).replace("/", ".") + ".lock")
    before, begun, at = lakes.checked_at(lake), [], []

    def decide(call):
        if call.name == "flock" and call.paths[0] == str(path) and not at:
            at.append(time.monotonic())
            begun[0].send_signal(getattr(signal, name))
        return system_calls.CONTINUE

    with lakes.Reader(lake) as reader:
        with open(path, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ran = lakes.run_supervised(binary, endpoint, lake, "B", decide, started=begun.append)
            ended_at = time.monotonic()
        problems = aftermath(ran, name) + ([] if at else ["the lock was never asked for"])
        held, found = lakes.versions(lake)
        staged = len(list((pathlib.Path(lake) / "_billing_lake/staging").glob("*")))
        problems += found + lakes.after_a_death(binary, lake, held, before)
        problems = problems or lakes.next_runs(binary, endpoint, lake, held)
        reader.wait()
    lakes.remove(lake)
    seconds = ended_at - at[0] if at else 0
    problems += reader.problems()
    return End(ran.code, seconds, "".join(held.values()), ran.report is not None, staged, problems, reader.whole(), reader.clean)


def main():
    parser = arena.options(__doc__)
    parser.add_argument("--signals", type=int, default=60, help="at random moments")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, tally, longest = random.Random(options.seed), arena.Tally(), 0.0
    names = list(CODES)
    with arena.arena(options) as place:
        works, lasts = lengths(options.binary, place.api.endpoint, place.prepared, place.lake())
        moments = [(names[at % 2], chance.random() < 1 / 3, chance.uniform(0, 1.5 * works)) for at in range(options.signals)]
        for title, case, inputs in (
            ("at a random moment", at_random, moments),
            ("in the last second", at_random, [(names[at % 2], False, works + chance.uniform(0, lasts - works)) for at in range(6)]),
            ("twice", twice, [(names[at % 2], chance.uniform(0, 1.5 * works)) for at in range(10)]),
            ("while the API is silent", silent_api, [(name, page) for name in names for page in (0, 2)]),
            ("while a slice is locked by another", locked, [(name, slice) for name in names for slice in lakes.SLICES]),
        ):
            ends = place.all(case, inputs)
            longest = max([longest, *(end.seconds for end in ends)])
            codes = collections.Counter(end.code for end in ends)
            left = collections.Counter(end.left for end in ends)
            for input, end in zip(inputs, ends):
                tally.reader(end.answers, end.clean)
                tally.case(f"{title} {input}, exit {end.code} after {end.seconds:.1f} s, left {end.left}", end.problems)
            print(f"{title}, {len(ends)} times: " + ", ".join(f"exit {code}: {times}" for code, times in sorted(codes.items())))
            seconds, staged = max(end.seconds for end in ends), sum(end.staged > 0 for end in ends)
            reports = sum(end.reported for end in ends)
            print(f"  longest time to the end {seconds:.1f} s; {reports} reports; {staged} left staged things for the next run")
            print("  left behind (list of periods, 2024-01, 2024-02): " + ", ".join(f"{state} {times}" for state, times in sorted(left.items())))
            print(f"  {tally.readers()}")
    print(f"seed {options.seed}: the longest time from a signal to the end: {longest:.1f} s")
    sys.exit(tally.verdict())


if __name__ == "__main__":
    main()
