"""Counts checks, tells which failed, and ends a script with `N passed, N failed`."""

import threading
import time


class Verdict:
    """The counters of one script; checks may come from several threads."""

    def __init__(self):
        self.lock, self.passed, self.failed, self.begin = threading.Lock(), 0, 0, time.monotonic()

    def check(self, what, right, told=""):
        with self.lock:
            self.passed, self.failed = self.passed + bool(right), self.failed + (not right)
            if not right:
                print(f"FAILED {what}{': ' if told else ''}{told}", flush=True)
        return bool(right)

    def equal(self, what, got, expected):
        return self.check(what, got == expected, f"got {str(got)[:600]}, expected {str(expected)[:600]}")

    def end(self):
        """The script's last line, and its exit code."""
        if self.passed + self.failed == 0:
            self.check("the script", False, "nothing was tried")
        print(f"{time.monotonic() - self.begin:.0f} s\n{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0
