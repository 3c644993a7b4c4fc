"""Kills a publishing run at each system call that changes its lake, a reader beside it, and sees what is left.

    kill_at_calls.py BINARY [--step N | --all] [--workers 6] [--only TEXT]

A run that publishes three slices (two billing periods and their list) is killed by SIGKILL in front of every write, fsync,
rename, exchange, mkdir, unlink, flock and creating open it makes in the lake: once where version A is in place, once where
there is no lake yet, and while it removes what a run that was killed before had staged.

After each kill every slice is wholly A, wholly B or not there; the next run completes and cleans up; the one after it finds
nothing to do; and no answer of the reader in all that time was half one version, half another, or older than the one
before. `--step N` takes each kind of call in each place at its first, its last and every N-th between; N is 6 by default.
"""

import collections
import dataclasses
import sys

import arena
import lakes
import system_calls


TRIES = 5
CLEANING = "while it removes what a dead run left"


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


def litter_with_a_dead_run(place, lake):
    """Version A in place, and the staging folder of a run that died in front of its last exchange."""
    lakes.copy(place.prepared, lake)
    exchanges = []

    def decide(call):
        exchanges.extend([call] if call.name == "renameat2" else [])
        return system_calls.KILL if len(exchanges) == len(lakes.SLICES) else system_calls.CONTINUE

    lakes.run_supervised(place.binary, place.api.endpoint, lake, "B", decide)
    if not lakes.litter(lake):
        raise SystemExit("a killed run left nothing to clean up")


def chosen(calls, step):
    """First, last, and every `step`-th between of each kind of call in each place."""
    kinds = collections.defaultdict(list)
    for call in calls:
        kinds[call[0]].append(call)
    picked = set()
    for same in kinds.values():
        picked |= {same[0], same[-1], *same[::step]}
    return [call for call in calls if call in picked]


def killed(binary, endpoint, prepared, lake, target, origin):
    """One kill and its aftermath. Two slices at once race for some folders above them, so a call may need a second run."""
    for _ in range(TRIES):
        end = killed_once(binary, endpoint, origin, lake, target)
        if end.came_there:
            break
    return end


def killed_once(binary, endpoint, origin, lake, target):
    lakes.copy(origin, lake)
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
        problems += lakes.after_a_death(binary, lake, held, before)
        if not problems:
            problems += lakes.next_runs(binary, endpoint, lake, held, "all" if origin else "auto")
        reader.wait()
    lakes.remove(lake)
    return End(target, ran.killed_at is not None, held, problems + reader.problems(), reader.whole(), reader.clean)


def main():
    parser = arena.options(__doc__)
    parser.add_argument("--step", type=int, default=6)
    parser.add_argument("--all", action="store_true", help="every single call")
    parser.add_argument("--only", default="", help="only calls with this text in their name or path")
    options = parser.parse_args()
    results = {}
    with arena.arena(options) as place:
        littered = place.lake()
        litter_with_a_dead_run(place, littered)
        for title, origin in (("version A in place", place.prepared), ("no lake yet", None), (CLEANING, littered)):
            lake = place.lake()
            lakes.copy(origin, lake)
            calls = calls_of_a_run(options.binary, place.api.endpoint, lake)
            if title == CLEANING:
                calls = calls[: [label for label, _ in calls].index("mkdir _billing_lake/staging/RUN")]
            targets = calls if options.all else chosen(calls, options.step)
            targets = [(target, origin) for target in targets if options.only in target[0]]
            results[title] = (calls, place.all(killed, targets))
    sys.exit(tell(results))


def tell(results):
    tally = arena.Tally()
    for title, (calls, ends) in results.items():
        made = collections.Counter(label.split()[0] for label, _ in calls)
        reached = [end for end in ends if end.came_there]
        print(f"{title}: a run makes {len(calls)} calls in the lake, killed at {len(reached)} of them")
        print("  call        made  killed  left behind (list of periods, 2024-01, 2024-02; - is nothing yet)")
        for name, count in sorted(made.items()):
            if not any(end.name() == name for end in ends):
                continue
            left = collections.Counter(end.left() for end in reached if end.name() == name)
            told = ", ".join(f"{held} {times}" for held, times in sorted(left.items()))
            print(f"  {name:10} {count:5} {left.total():7}  {told}")
        for end in ends:
            tally.reader(end.answers, end.clean)
        print(f"  {tally.readers()}")
        for end in ends:
            label, nth = end.target
            if not end.came_there:
                # Who is second to a folder finds it made, and does not make it.
                print(f"  not reached in {TRIES} runs: {label} (number {nth})")
                if nth == 1:
                    tally.case(label, ["the run never came there"])
                continue
            tally.case(f"{title}: killed at {label} (number {nth}), left {end.left()}", end.problems)
    return tally.verdict()


if __name__ == "__main__":
    main()
