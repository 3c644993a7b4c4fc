"""Runs of the program as processes: what they said, how they ended, how much memory they held, and their death on demand."""

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


class Run:
    """A process from its start on. `code` is the exit code, or minus the signal; `peak` the most bytes it held."""

    def __init__(self, command, environment):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        self.over, self.code, self.peak, self.stdout, self.stderr = threading.Event(), None, 0, "", ""
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self):
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = self.code = os.waitstatus_to_exitcode(status)
        self.peak = usage.ru_maxrss * 1024
        self.stdout, self.stderr = map(_text, (self.out, self.err))
        self.over.set()

    def send(self, number):
        if not self.over.is_set():
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

    def begin(self, arguments, environment, key=""):
        """Starts it with nothing in its environment that names a lake or a store but this."""
        mine = ("BILLING_LAKE_", "AWS_", "AZURE_", "AZURITE_")
        cleaned = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        run = Run([self.binary, *map(str, arguments)], {**cleaned, "BILLING_LAKE_API_KEY": key, **environment})
        self.runs.append(run)
        return run

    def begin_sync(self, dest, service, *more, enrollment="100", datasets="billing_periods,usage_details", environment=None):
        """A sync to a place, or to a path when `dest` is none; `environment` in the place of the place's own."""
        arguments = ["sync", "-q", "--format", "json", "--endpoint", service.endpoint, "--enrollment", enrollment]
        arguments += ["--datasets", datasets, "--dest", getattr(dest, "url", dest), "--recheck", "all", *more]
        return self.begin(arguments, self._environment(dest, environment), service.key)

    def sync(self, *arguments, **options):
        return self.begin_sync(*arguments, **options).end()

    def ask(self, command, place, *more, environment=None):
        """Another command about a lake, such as `status` or `clean`, to its end."""
        arguments = [command, "--format", "json", "--dest", place.url, *more]
        return self.begin(arguments, self._environment(place, environment)).end()

    @staticmethod
    def _environment(dest, environment):
        if environment is not None:
            return environment
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
