"""Lakes under test: runs of the program, what a reader sees beside them, and what must lie in the folders.

A lake holds three slices: the usage of two billing periods, and the list of billing periods. Each is in no version (`-`),
or wholly in version A or B of `billing_api`; everything else is a problem.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading

import duckdb
import pyarrow.compute
import pyarrow.parquet

import system_calls
from billing_api import ENROLLMENT, PERIODS, TRUTH, plain

NOTHING = "-"
SLICES = ("billing_periods", *PERIODS)
RANK = {NOTHING: 0, "A": 1, "B": 2}
# What DuckDB says of a file that is not there (any more).
CLEAN = ("No files found", "Cannot open file", "No such file")
TIMEOUT = 120


def folder_of(slice):
    """The partition folder below the lake."""
    if slice in PERIODS:
        return f"usage_details/enrollment={ENROLLMENT}/billing_period={slice[:4]}-{slice[4:]}"
    return f"{slice}/enrollment={ENROLLMENT}"


def key_of(slice):
    return f"usage_details/{ENROLLMENT}/{slice[:4]}-{slice[4:]}" if slice in PERIODS else f"{slice}/{ENROLLMENT}/all"


@dataclasses.dataclass
class Ran:
    """A run that has ended; `report` is None when it printed none."""

    code: int
    report: dict | None
    stderr: str
    killed_at: system_calls.Call | None = None

    def outcomes(self):
        found = {}
        for part in (self.report or {}).get("slices", []):
            name = (part["billing_period"] or "").replace("-", "") or part["dataset"]
            found[name] = part["outcome"]
        return found

    def said(self):
        return f"exit {self.code}: {self.stderr.strip()[-600:]}"


def environment(version):
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_LAKE_")}
    return {**cleaned, "BILLING_LAKE_API_KEY": f"serve-{version}", "NO_PROXY": "127.0.0.1"}


def command(binary, endpoint, lake, *more, recheck="all", datasets="billing_periods,usage_details"):
    return [
        os.path.abspath(binary), "sync", "-q", "--datasets", datasets, "--endpoint", endpoint, "--enrollment", ENROLLMENT,
        "--dest", str(lake), "--recheck", recheck, "--max-rejected", "1", "--format", "json", *more,
    ]  # fmt: skip


def ended(code, stdout, stderr, killed_at=None):
    try:
        report = json.loads(stdout)
    except ValueError:
        report = None
    return Ran(code, report, stderr, killed_at)


def run(binary, endpoint, lake, version, *more, **options):
    """A run to its end, with nothing in its way."""
    with begin(binary, endpoint, lake, version, *more, **options) as process:
        return end(process)


def begin(binary, endpoint, lake, version, *more, **options):
    """A run as a process."""
    return subprocess.Popen(
        command(binary, endpoint, lake, *more, **options), env=environment(version),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def end(process, timeout=TIMEOUT):
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        stderr += f"\n(killed: it did not end within {timeout} s)"
    return ended(process.returncode, stdout, stderr)


def run_supervised(binary, endpoint, lake, version, decide, *more, recheck="all", wrap=(), started=None):
    """A run whose system calls are decided on; `decide` is asked only about those that touch the lake."""
    root = os.path.realpath(lake)

    def within(path):
        return path == root or path.startswith(root + "/")

    def decide_inside(call):
        return decide(call) if any(map(within, call.paths)) else system_calls.CONTINUE

    line = [*wrap, *command(binary, endpoint, root, *more, recheck=recheck)]
    done = system_calls.supervise(line, decide_inside, environment(version), TIMEOUT, started)
    return ended(done.code, done.stdout, done.stderr, done.killed_at)


class Labels:
    """Gives each call a name that is the same in every run: which call, where, and the how-many-th of these."""

    def __init__(self, lake):
        self.root = os.path.realpath(lake)
        self.seen = {}

    def of(self, call):
        label = f"{call.name} {' -> '.join(map(self.place, call.paths))}"
        self.seen[label] = self.seen.get(label, 0) + 1
        return label, self.seen[label]

    def place(self, path):
        path = path.removeprefix(self.root).lstrip("/") or "."
        return without_tokens(path.removesuffix(" (deleted)"))


def without_tokens(path):
    """The names of runs and of staged things are new in every run."""
    return re.sub(r"[0-9a-f]{16}", "*", re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN", path))


def changes(call):
    """Whether a call changes something, or takes a lock; an `openat` that only reads does not."""
    return call.name not in ("open", "openat") or call.creates()


def prepare(binary, endpoint, lake):
    """A lake that holds version A of everything."""
    ran = run(binary, endpoint, lake, "A")
    problems = whole_in(lake, "A") if ran.code == 0 else [ran.said()]
    if problems:
        raise SystemExit(f"no lake to begin with: {problems}")


def copy(prepared, lake):
    """A fresh copy; without a prepared lake, nothing."""
    if prepared:
        subprocess.run(["cp", "-a", str(prepared), str(lake)], check=True)


def holds(lake, slice):
    """The version of a slice by reading its file with PyArrow, and what is wrong with its folder."""
    folder = pathlib.Path(lake) / folder_of(slice)
    if not folder.exists():
        return NOTHING, []
    names = sorted(entry.name for entry in folder.iterdir())
    if len(names) != 1 or not names[0].endswith(".parquet"):
        return "?", [f"{slice}: not one Parquet file but {names}"]
    try:
        file = pyarrow.parquet.ParquetFile(folder / names[0])
        table = file.read()
    except (OSError, pyarrow.ArrowException) as error:
        return "?", [f"{slice}: {names[0]}: {error}"]
    if slice in PERIODS:
        cost = pyarrow.compute.sum(table["cost"]).as_py()
        found = (table.num_rows, as_text(cost), "+".join(sorted(set(table["service_info1"].to_pylist()))))
    else:
        found = (table.num_rows, None, "+".join(sorted({version_of(end) for end in table["billing_end"].to_pylist()})))
    for version, truth in TRUTH.items():
        if truth[slice] == found:
            return version, []
    return "?", [f"{slice}: {found} is no version"]


def version_of(end):
    """The list of billing periods tells its version by the last second."""
    return {50: "A", 51: "B"}.get(end.second, f"second {end.second}")


def as_text(cost):
    return plain(int(cost.scaleb(18)), 10**18) if cost is not None else None


def versions(lake):
    """The version of each slice, and everything that is wrong in the datasets' folders."""
    held, problems = {}, []
    for slice in SLICES:
        held[slice], found = holds(lake, slice)
        problems += found
    return held, problems + strangers(lake)


def strangers(lake):
    """What lies in the datasets' folders, or beside them, and has no business there."""
    lake = pathlib.Path(lake)
    if not lake.exists():
        return []
    known = {pathlib.PurePath(folder_of(slice)) for slice in SLICES}
    above = {parent for folder in known for parent in folder.parents} | {pathlib.PurePath("_billing_lake")}
    problems = []
    for top, folders, files in os.walk(lake):
        at = pathlib.Path(top).relative_to(lake)
        if at == pathlib.Path("_billing_lake"):
            folders.clear()
            continue
        problems += [f"stranger: {at / name}" for name in folders if at / name not in known | above]
        problems += [f"stranger: {at / name}" for name in files if at not in known]
    return problems


def litter(lake):
    """What a run that ended well must not leave in `_billing_lake`: staged things and drafts."""
    own = pathlib.Path(lake) / "_billing_lake"
    left = [str(path.relative_to(own)) for path in (own / "staging").glob("*")]
    left += [str(path.relative_to(own)) for path in own.rglob("*.tmp")]
    return [f"litter: {without_tokens(name)}" for name in sorted(left)]


def unreadable_sides(lake):
    """The tool's own JSON files are whole or not there."""
    own, problems = pathlib.Path(lake) / "_billing_lake", []
    for path in [own / "lake.json", own / "last_run.json", *(own / "runs").glob("*.json")]:
        with contextlib.suppress(FileNotFoundError):
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                problems.append(f"{path.relative_to(lake)} is not whole: {error}")
    return problems


def checked_at(lake):
    try:
        return json.loads((pathlib.Path(lake) / "_billing_lake/last_run.json").read_bytes())
    except (OSError, ValueError):
        return {}


def whole_in(lake, version):
    """Problems of a lake that must hold one version of everything, and nothing else."""
    held, problems = versions(lake)
    problems += [f"{slice} is {found}, not {version}" for slice, found in held.items() if found != version]
    return problems + litter(lake) + unreadable_sides(lake)


def after_a_death(binary, lake, held, before):
    """What must be true whenever a run has died."""
    problems = unreadable_sides(lake) + status_problems(binary, lake)
    known = checked_at(lake)
    for slice, version in held.items():
        key = key_of(slice)
        if version != "B" and known.get(key) != before.get(key):
            problems.append(f"{slice} is {version}, but last_run.json says that it was checked")
    return problems


def next_runs(binary, endpoint, lake, before, recheck="all", version="B"):
    """The next run completes and cleans up, and the one after it finds nothing to do."""
    ran = run(binary, endpoint, lake, version, recheck=recheck)
    if ran.code != 0:
        return [f"the next run: {ran.said()}"]
    problems = [f"after the next run: {problem}" for problem in whole_in(lake, version)]
    for slice in SLICES:
        # One that was in place is found unchanged, or so young that it is not asked for.
        expected = ("unchanged", "not_checked") if before.get(slice) == version else ("published",)
        if ran.outcomes().get(slice) not in expected:
            problems.append(f"the next run: {slice} was {before.get(slice)} and is {ran.outcomes().get(slice)}")
    files = inventory(lake)
    again = run(binary, endpoint, lake, version)
    if again.code != 0 or set(again.outcomes().values()) != {"unchanged"} or again.report["outcome"] != "unchanged":
        problems.append(f"the run after it: {again.said()} {again.outcomes()}")
    if inventory(lake) != files:
        problems.append("the run after it changed files")
    return problems + [f"after the run after it: {problem}" for problem in whole_in(lake, version)]


def inventory(lake):
    found = {}
    for slice in SLICES:
        for path in (pathlib.Path(lake) / folder_of(slice)).glob("*"):
            found[str(path)] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def status_problems(binary, lake):
    """`status` reads a lake in any state, if its description is there."""
    done = subprocess.run(
        [os.path.abspath(binary), "status", "-q", "--dest", str(lake), "--format", "json"],
        env=environment("A"), capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    expected = 0 if (pathlib.Path(lake) / "_billing_lake/lake.json").exists() else 2
    if done.returncode != expected:
        return [f"status: exit {done.returncode}, not {expected}: {done.stderr.strip()[-300:]}"]
    broken = [file for file in json.loads(done.stdout) if file["problem"]] if expected == 0 else []
    return [f"status: {file['file']}: {file['problem']}" for file in broken]


class Reader:
    """DuckDB beside the runs: asks for each slice again and again, from `with` to its end, then judges the answers.

    Every answer is one whole version or a clean error, and no answer is older than the one before it (`forward`).
    """

    def __init__(self, lake, forward=True):
        self.lake, self.forward = lake, forward
        self.answers = {slice: [] for slice in SLICES}
        self.clean, self.wrong, self.rounds = {}, [], 0
        self.stopped, self.asked = threading.Event(), threading.Condition()

    def __enter__(self):
        self.thread = threading.Thread(target=self._ask_on)
        self.thread.start()
        self.wait()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def wait(self, rounds=1):
        """Until so many rounds of questions have begun and ended since this call."""
        with self.asked:
            goal = self.rounds + rounds + 1
            self.asked.wait_for(lambda: self.rounds >= goal or not self.thread.is_alive(), timeout=TIMEOUT)

    def _ask_on(self):
        connection = duckdb.connect(config={"threads": 1})
        while not self.stopped.is_set():
            for slice in SLICES:
                try:
                    self._note(slice, self._ask(connection, slice))
                except duckdb.Error as error:
                    said = str(error).splitlines()[0]
                    kind = next((words for words in CLEAN if words in said), None)
                    if kind:
                        self.clean[kind] = self.clean.get(kind, 0) + 1
                    else:
                        self.wrong.append(f"a reader of {slice}: {said}")
            with self.asked:
                self.rounds += 1
                self.asked.notify_all()

    def _ask(self, connection, slice):
        files = f"read_parquet('{self.lake}/{folder_of(slice)}/*.parquet')"
        if slice in PERIODS:
            question = f"SELECT count(*), sum(cost), min(service_info1), max(service_info1) FROM {files}"
            rows, cost, first, last = connection.execute(question).fetchone()
            return rows, as_text(cost), first if first == last else f"{first}+{last}"
        question = f"SELECT count(*), min(second(billing_end)), max(second(billing_end)) FROM {files}"
        rows, first, last = connection.execute(question).fetchone()
        marks = {50: "A", 51: "B"}
        return rows, None, marks.get(first, "?") if first == last else f"{first}+{last}"

    def _note(self, slice, answer):
        version = next((version for version, truth in TRUTH.items() if truth[slice] == answer), None)
        seen = self.answers[slice]
        if version is None:
            self.wrong.append(f"a reader of {slice}: {answer} is no version")
        elif self.forward and seen and RANK[version] < RANK[seen[-1]]:
            self.wrong.append(f"a reader of {slice}: {version} after {seen[-1]}")
        else:
            seen.append(version)

    def whole(self):
        return sum(map(len, self.answers.values()))

    def problems(self):
        return self.wrong[:5] + ([] if self.whole() or self.clean else ["the reader saw nothing"])


def remove(lake):
    shutil.rmtree(lake, ignore_errors=True)
