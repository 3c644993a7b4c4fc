"""Counted checks of a script: what holds is counted, what does not is told at once."""

import sys

passed = failed = 0


def check(what, right, told=""):
    global passed, failed
    if right:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {what}{': ' if told else ''}{told}", flush=True)
    return right


def equal(what, got, expected):
    return check(what, got == expected, f"got {str(got)[:300]}, expected {str(expected)[:300]}")


def raises(what, act, *words):
    """That an act fails, and says these words."""
    try:
        got = act()
    except Exception as error:  # whatever a reader raises is what the user would see
        said = str(error)
        return check(what, all(word in said for word in words), f"{type(error).__name__}: {said[:300]}")
    return check(what, False, f"no error, but {str(got)[:300]}")


def conclude():
    """The last line, and the end of the process."""
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
