"""What every script here begins and ends with: a working folder, the API, a prepared lake, workers, and the verdict."""

import argparse
import collections
import concurrent.futures
import contextlib
import multiprocessing
import pathlib
import shutil
import tempfile
import time

import lakes
from billing_api import Api


def options(description, workers=6):
    """The command line: the binary, and how many cases are at work at once."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--workers", type=int, default=workers, help="cases at work at once")
    return parser


class Arena:
    """Where the cases of a script run."""

    def __init__(self, binary, work, api, pool):
        self.binary, self.work, self.api, self.pool = binary, work, api, pool
        self.prepared = work / "prepared"
        self.lakes = 0
        lakes.prepare(binary, api.endpoint, self.prepared)

    def lake(self):
        """A path for a lake of its own."""
        self.lakes += 1
        return self.work / f"lake-{self.lakes}"

    def all(self, case, inputs):
        """The results of `case(binary, endpoint, prepared, lake, *input)` for each input, in order, many at once."""
        inputs = [value if isinstance(value, tuple) else (value,) for value in inputs]
        begun = [self.pool.submit(case, self.binary, self.api.endpoint, self.prepared, self.lake(), *value) for value in inputs]
        return [done.result() for done in begun]


@contextlib.contextmanager
def arena(options, **api):
    """Everything is gone afterwards, and the time is told."""
    begin = time.monotonic()
    work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-fire-"))
    api = Api(**api)
    context = multiprocessing.get_context("spawn")
    try:
        with concurrent.futures.ProcessPoolExecutor(options.workers, mp_context=context) as pool:
            yield Arena(options.binary, work, api, pool)
    finally:
        api.stop()
        shutil.rmtree(work, ignore_errors=True)
        print(f"{time.monotonic() - begin:.0f} s")


class Tally:
    """Counts cases, tells what failed, and what the readers saw."""

    def __init__(self):
        self.passed = self.failed = self.answers = 0
        self.clean, self.told = {}, collections.Counter()

    def case(self, name, problems):
        """What fails in the same words again and again is told three times, and then counted."""
        self.failed, self.passed = self.failed + bool(problems), self.passed + (not problems)
        for problem in problems:
            problem = " | ".join(problem.splitlines())
            self.told[problem] += 1
            if self.told[problem] <= 3:
                print(f"FAILED {name}: {problem}")

    def reader(self, answers, clean):
        self.answers += answers
        for words, times in clean.items():
            self.clean[words] = self.clean.get(words, 0) + times

    def readers(self):
        """What the readers saw since this was last asked."""
        told = ", ".join(f"{words!r} {times}" for words, times in self.clean.items())
        said = f"readers: {self.answers} whole answers, clean errors: {told or 'none'}"
        self.answers, self.clean = 0, {}
        return said

    def verdict(self):
        if self.passed + self.failed == 0:
            self.case("the script", ["nothing was tried"])
        for problem, times in self.told.items():
            if times > 3:
                print(f"FAILED {times} times in all: {problem}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
