"""Processes and what the kernel counts for them.

Nothing large may be imported or held here: a child's peak memory begins with that of the process that started it (the
kernel keeps the peak over `exec`), so that the measuring process must stay smaller than anything that it measures. What
reads data or Parquet files is therefore a process of its own.
"""

import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import threading
import time
from typing import Any

LIMIT = 1800.0
"""Seconds after which a process is killed and counts as failed."""

ONE_THREAD = {
    "ARROW_IO_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process took."""

    cpu: float
    wall: float
    peak: int


class FailedError(Exception):
    """A process that ended badly; its text is the reason."""


def run(command: list[str], work: pathlib.Path) -> Usage:
    """Runs a command, and says what it took: CPU and peak memory from the kernel, by `wait4`."""
    log = work / "stderr.txt"
    with open(log, "wb") as errors:
        begin = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ | ONE_THREAD
        )
        watchdog = threading.Timer(LIMIT, process.kill)
        watchdog.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        told = lines[-1].strip() if lines else "it said nothing"
        raise FailedError(f"exit {process.returncode}: {told[:200]}")
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


def own_peak() -> int:
    """Peak memory of this process, in bytes: the least that can be told of a child's."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ask(script: str, question: Any) -> Any:
    """Runs a script beside this one with the question as JSON on its standard input; its answer comes the same way."""
    path = pathlib.Path(__file__).with_name(script)
    done = subprocess.run([sys.executable, str(path)], input=json.dumps(question).encode(), stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"benches/compare: {script} failed with exit {done.returncode}")
    return json.loads(done.stdout)
