"""Destinations that are really full, read-only, forbidden, in the way, or vanish in the middle of a run.

    bad_destinations.py BINARY [--workers 10]

- a small file system (tmpfs) with less and less space left, and one that is mounted read-only: needs root, and says so;
- a lake that this user may not write (as root: the program runs as another user);
- a file where the lake, a dataset, a partition or a folder of the tool's own should be;
- a lake that is removed in front of one system call of a run, for calls all over the run.

What is in place stays whole, the run ends with exit code 6 and an error that names the path and gives a hint, and the next
run heals once the destination is well again.
"""

import collections
import os
import pathlib
import shutil
import subprocess
import sys

import arena
import lakes
import system_calls
from full_disk import destination_problems, every_call
from kill_at_calls import chosen

# Bytes left on the small file system. A run that replaces everything stages about 250 KB.
LEFT = [0, 4096, 8192, 16384, 32768, 65536, 98304, 131072, 163840, 196608, 229376, 262144, 2**20]
NOBODY = 65534
IN_THE_WAY = (
    "", "_billing_lake", "_billing_lake/staging", "_billing_lake/locks", "_billing_lake/runs", "_billing_lake/rejected",
    "usage_details", "usage_details/enrollment=100", "usage_details/enrollment=100/billing_period=2024-01", "billing_periods",
)  # fmt: skip


def small_disk(place, tally):
    """Returns how it went, or why not."""
    mount = place.work / "mount"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount)], capture_output=True, text=True)
    if done.returncode != 0:
        return f"not tried, mounting does not work here: {done.stderr.strip()}"
    codes = collections.Counter()
    try:
        for left in LEFT:
            lake = mount / "lake"
            lakes.copy(place.prepared, lake)
            fill(mount, left)
            with lakes.Reader(lake) as reader:
                ran = lakes.run(place.binary, place.api.endpoint, lake, "B")
                codes[ran.code] += 1
                (mount / "filler").unlink()
                problems = aftermath(place, lake, ran, "A")
                reader.wait()
            tally.reader(reader.whole(), reader.clean)
            tally.case(f"{left} bytes left", problems + reader.problems())
            lakes.remove(lake)
        if not (codes[6] and codes[0]):
            tally.case("a small disk", [f"exit codes {dict(codes)}: both too small and large enough must occur"])
        lakes.copy(place.prepared, lake)
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        ran = lakes.run(place.binary, place.api.endpoint, lake, "B")
        subprocess.run(["mount", "-o", "remount,rw", str(mount)], check=True)
        tally.case("mounted read-only", expect(ran, 6) + aftermath(place, lake, ran, "A"))
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        ran = lakes.run(place.binary, place.api.endpoint, mount / "another", "B")
        tally.case("no lake yet, mounted read-only", expect(ran, 6) + destination_problems(ran, mount / "another"))
    finally:
        subprocess.run(["umount", str(mount)], check=True)
    told = ", ".join(f"exit {code}: {times}" for code, times in sorted(codes.items()))
    return f"a disk with {LEFT[0]} to {LEFT[-1]} bytes left: {told}; read-only: done"


def fill(mount, left):
    """Leaves so many bytes of the file system."""
    filler = mount / "filler"
    with open(filler, "wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass
    with open(filler, "r+b") as file:
        file.truncate(max(0, filler.stat().st_size // 4096 * 4096 - left))


def expect(ran, code):
    return [] if ran.code == code else [f"not exit {code} but {ran.said()}"]


def aftermath(place, lake, ran, old):
    """After a run that may have failed for want of a good destination."""
    held, problems = lakes.versions(lake)
    problems += lakes.unreadable_sides(lake)
    if ran.code != 0:
        problems += destination_problems(ran, lake)
    for slice, outcome in ran.outcomes().items():
        expected = "B" if outcome in ("published", "unchanged") else old
        if held.get(slice) != expected:
            problems.append(f"{slice} is {outcome}, says the report, and is {held.get(slice)}")
    return problems or lakes.next_runs(place.binary, place.api.endpoint, lake, held)


def forbidden(place, tally):
    """A lake of another user."""
    lake = place.lake()
    lakes.copy(place.prepared, lake)
    if os.geteuid() != 0:
        change_modes(lake, 0o222, add=False)
        ran = lakes.run(place.binary, place.api.endpoint, lake, "B")
        change_modes(lake, 0o200, add=True)
        how = "its write permission taken away"
    else:
        place.work.chmod(0o755)
        wrap = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        line = [*wrap, *lakes.command(place.binary, place.api.endpoint, lake)]
        try:
            done = subprocess.run(line, env=lakes.environment("B"), capture_output=True, text=True, timeout=lakes.TIMEOUT, cwd="/")
        except FileNotFoundError:
            return "not tried, setpriv is missing"
        if done.returncode in (126, 127):
            return f"not tried, another user cannot run the program: {done.stderr.strip()}"
        ran = lakes.ended(done.returncode, done.stdout, done.stderr)
        how = f"the program run as user {NOBODY}"
    tally.case(f"no permission, {how}", expect(ran, 6) + aftermath(place, lake, ran, "A"))
    return f"no permission, {how}: exit {ran.code}"


def change_modes(lake, bits, add):
    for path in [lake, *lake.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | bits if add else mode & ~bits)


def in_the_way(binary, endpoint, prepared, lake, name):
    """A file lies where a folder is needed."""
    lakes.copy(prepared, lake)
    path = pathlib.Path(lake) / name
    others = [slice for slice in lakes.SLICES if not f"{lakes.folder_of(slice)}/".startswith(f"{name}/" if name else "")]
    shutil.rmtree(path)
    path.write_text("this is no folder\n")
    ran = lakes.run(binary, endpoint, lake, "B")
    problems = expect(ran, 6) + destination_problems(ran, lake)
    if not path.is_file() or path.read_text() != "this is no folder\n":
        problems.append("the file that was in the way is gone")
    for slice in others:
        held, found = lakes.holds(lake, slice)
        problems += found + ([] if held in "AB" else [f"{slice} is {held}"])
    path.unlink()
    held, _ = lakes.versions(lake)
    problems = problems or lakes.next_runs(binary, endpoint, lake, held)
    lakes.remove(lake)
    return name or "(the lake itself)", ran.code, problems


def vanishing(binary, endpoint, prepared, lake, label, nth):
    """The lake is removed while the run stands in front of a call, and the run goes on."""
    lakes.copy(prepared, lake)
    labels, met = lakes.Labels(lake), []

    def decide(call):
        if labels.of(call) == (label, nth):
            met.append(call)
            shutil.rmtree(lake, ignore_errors=True)
        return system_calls.CONTINUE

    ran = lakes.run_supervised(binary, endpoint, lake, "B", decide)
    problems = lakes.unreadable_sides(lake)
    held, found = lakes.versions(lake)
    problems += found
    if ran.code not in (0, 6):
        problems.append(f"neither exit 0 nor 6 but {ran.said()}")
    elif ran.code == 6:
        problems += destination_problems(ran, lake)
    if not problems:
        problems = lakes.next_runs(binary, endpoint, lake, held, recheck="auto")
    lakes.remove(lake)
    return f"{label} (number {nth})", ran.code, "".join(held.values()), bool(met), problems


def main():
    options = arena.options(__doc__, workers=10).parse_args()
    tally, said = arena.Tally(), []
    with arena.arena(options) as place:
        said.append(small_disk(place, tally))
        said.append(forbidden(place, tally))
        codes = collections.Counter()
        for name, code, problems in place.all(in_the_way, IN_THE_WAY):
            codes[code] += 1
            tally.case(f"a file in the way: {name}", problems)
        said.append("a file in the way: " + ", ".join(f"exit {code}: {times}" for code, times in sorted(codes.items())))
        lake = place.lake()
        lakes.copy(place.prepared, lake)
        calls = chosen(every_call(options.binary, place.api.endpoint, lake), 12)
        ends = collections.Counter()
        for name, code, left, met, problems in place.all(vanishing, calls[::3]):
            ends[code, left] += met
            tally.case(f"the lake vanishes before {name}, exit {code}, left {left}", problems)
        told = ", ".join(f"exit {code} left {left}: {times}" for (code, left), times in sorted(ends.items()) if times)
        said.append(f"the lake vanishes (list of periods, 2024-01, 2024-02 afterwards): {told}")
    print("\n".join(said))
    print(tally.readers())
    sys.exit(tally.verdict())


if __name__ == "__main__":
    main()
