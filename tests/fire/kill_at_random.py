"""Kills publishing runs at random moments, a reader beside them, and sees what is left.

    kill_at_random.py BINARY [--kills 200] [--seed 1] [--workers 6]

SIGKILL comes one to three times in a row, each time to a new run that finds what the dead ones left, before a run is let
be. The moments are drawn over the length of a run; nine in ten of them from its beginning to its last publication, since
the rest of a run is a second of waiting. A third of the cases begins without a lake. What must be true is the same as in
`kill_at_calls.py`.
"""

import collections
import dataclasses
import random
import statistics
import sys
import time

import arena
import lakes


def lengths(binary, endpoint, prepared, lake):
    """How long a run works, and how long it lasts."""

    def took(version, recheck):
        begin = time.monotonic()
        ran = lakes.run(binary, endpoint, lake, version, recheck=recheck)
        if ran.code != 0:
            raise SystemExit(f"a run that nobody disturbs fails: {ran.said()}")
        return time.monotonic() - begin

    works, lasts = [], []
    for _ in range(3):
        works.append(took("A", "auto"))  # a first publication replaces nothing, and so waits for nobody
        lasts.append(took("B", "all"))
        lakes.remove(lake)
    return statistics.median(works), statistics.median(lasts)


@dataclasses.dataclass
class End:
    """How a case ended; `left` has what each kill left, or `ended` for a run that was faster."""

    left: list
    problems: list
    answers: int
    clean: dict

    @property
    def kills(self):
        return sum(state != "ended" for state in self.left)


def case(binary, endpoint, prepared, lake, first, delays):
    """Kills after these times, each in a run of its own, until nothing is left to publish; then the runs that heal."""
    lakes.copy(None if first else prepared, lake)
    before, left, problems = lakes.checked_at(lake), [], []
    with lakes.Reader(lake) as reader:
        for delay in delays:
            process = lakes.begin(binary, endpoint, lake, "B")
            time.sleep(delay)
            process.kill()
            ran = lakes.end(process)
            held, found = lakes.versions(lake)
            left.append("".join(held.values()) if ran.code == -9 else "ended")
            problems += found + lakes.after_a_death(binary, lake, held, before)
            before = lakes.checked_at(lake)
            if problems or set(held.values()) == {"B"}:
                break
        if not problems:
            problems = lakes.next_runs(binary, endpoint, lake, held)
        reader.wait()
    lakes.remove(lake)
    return End(left, problems + reader.problems(), reader.whole(), reader.clean)


def main():
    parser = arena.options(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, cases, ends = random.Random(options.seed), [], []
    with arena.arena(options) as place:
        works, lasts = lengths(options.binary, place.api.endpoint, place.prepared, place.lake())
        while (missing := options.kills - sum(end.kills for end in ends)) > 0:
            more = []
            for _ in range(max(1, missing // 2)):
                delays = [chance.uniform(0, 1.5 * works if chance.random() < 0.9 else lasts) for _ in range(3)]
                more.append((chance.random() < 1 / 3, delays[: chance.choice((1, 1, 2, 3))]))
            ends += place.all(case, more)
            cases += more
    tally, left = arena.Tally(), collections.Counter()
    for (first, delays), end in zip(cases, ends):
        left.update(end.left)
        tally.reader(end.answers, end.clean)
        told = ", ".join(f"{delay:.3f} s" for delay in delays[: len(end.left)])
        begun = "no lake yet" if first else "version A in place"
        tally.case(f"{begun}, killed after {told}, left {' '.join(end.left)}", end.problems)
    print(f"seed {options.seed}: {sum(end.kills for end in ends)} kills in {len(cases)} lakes")
    print("  left behind (list of periods, 2024-01, 2024-02): " + ", ".join(f"{state} {times}" for state, times in sorted(left.items())))
    print(f"  {tally.readers()}")
    sys.exit(tally.verdict())


if __name__ == "__main__":
    main()
