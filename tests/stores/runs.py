"""Runs of the program as processes: what they said, how they ended, how much memory they held, and their death on demand."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "readers"))

from service import Service  # noqa: E402  the simulator; it lies with the readers' tests

__all__ = ["ALL", "Killer", "Program", "Run", "Service", "outcomes"]

LIMIT = 400  # seconds that a run may take; a store that is in trouble for ever is asked for about a minute
ALL = "billing_periods,price_sheet,balance_summary,marketplace_charges,usage_details"


# The kernel counts what a process held before it became the program: the memory of the one that started it. So one that
# is to be measured has a small parent, which writes the peak into the file descriptor that is its first argument.
MEASURE = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
os.write(int(sys.argv[1]), str(usage.ru_maxrss * 1024).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Run:
    """A process from its start on. `code` is the exit code, or minus the signal; `peak` the most bytes it held, of one
    that is measured (such a one is not to be killed: that would reach its parent only)."""

    def __init__(self, command, environment, measured=False):
        self.out, self.err, self.told = (tempfile.TemporaryFile() for _ in range(3))
        if measured:
            command = [sys.executable, "-I", "-S", "-c", MEASURE, str(self.told.fileno()), *command]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, pass_fds=[self.told.fileno()]
        )
        self.over, self.code, self.peak, self.stdout, self.stderr = threading.Event(), None, None, "", ""
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self):
        code = self.process.wait()
        self.stdout, self.stderr, told = map(_text, (self.out, self.err, self.told))
        self.peak, self.code = int(told) if told else None, code
        self.over.set()

    def send(self, number):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self):
        """Dead, with its connections closed, when this returns."""
        self.send(signal.SIGKILL)
        self.over.wait(LIMIT)

    def end(self):
        """Waits for its end; one that does not come is brought about, and told in `stderr`."""
        if not self.over.wait(LIMIT):
            self.kill()
            self.stderr += f"\n(killed: it did not end within {LIMIT} s)"
        return self

    @property
    def report(self):
        """What it printed as JSON; None when that is none."""
        try:
            return json.loads(self.stdout)
        except ValueError:
            return None

    def said(self):
        return f"exit {self.code}: {self.stderr.strip()[-800:]}"


def _text(file):
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


class Program:
    """billing-lake. Everything that any run of it said is kept, to be searched for secrets."""

    def __init__(self, binary):
        self.binary, self.runs = os.path.abspath(binary), []

    def begin(self, arguments, environment, key="", measured=False):
        """Starts it with nothing in its environment that names a lake or a store but this."""
        mine = ("BILLING_LAKE_", "AWS_", "AZURE_", "AZURITE_")
        cleaned = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        run = Run([self.binary, *map(str, arguments)], {**cleaned, "BILLING_LAKE_API_KEY": key, **environment}, measured)
        self.runs.append(run)
        return run

    def begin_sync(self, dest, service, *more, command="sync", enrollment="100", datasets="billing_periods,usage_details", measured=False):
        """A sync to a place, or to a path when `dest` is none."""
        arguments = [command, "-q", "--format", "json", "--endpoint", service.endpoint, "--enrollment", enrollment]
        arguments += ["--datasets", datasets, "--dest", getattr(dest, "url", dest), "--recheck", "all", *more]
        return self.begin(arguments, self._environment(dest), service.key, measured)

    def sync(self, *arguments, **options):
        return self.begin_sync(*arguments, **options).end()

    def ask(self, command, place, *more, measured=False):
        """Another command about a lake, such as `status` or `clean`, to its end."""
        arguments = [command, "--format", "json", "--dest", place.url, *more]
        return self.begin(arguments, self._environment(place), measured=measured).end()

    @staticmethod
    def _environment(dest):
        return dest.environment() if hasattr(dest, "environment") else {}

    def showing(self, secrets):
        """How many runs said any of these, and how many said anything at all."""
        said = [run.stdout + run.stderr for run in self.runs if run.over.is_set()]
        return sum(any(secret in words for secret in secrets) for words in said), sum(bool(words) for words in said)


class Killer:
    """For `faulty.Before` and `faulty.After`: SIGKILL to `run` when a request comes there; `hit` says that one came."""

    def __init__(self):
        self.armed, self.hit, self.run = threading.Event(), False, None

    def arm(self, run):
        self.run = run
        self.armed.set()
        return run

    def __call__(self, _):
        self.armed.wait(LIMIT)
        self.hit = True
        self.run.kill()


def outcomes(run, dataset="usage_details"):
    """{billing period: outcome} of a run's slices."""
    slices = (run.report or {}).get("slices", [])
    return {part["billing_period"]: part["outcome"] for part in slices if part["dataset"] == dataset}
