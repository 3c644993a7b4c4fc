"""Proves from a trace in which order a publishing run makes its system calls.

    order_of_calls.py BINARY

strace writes down one run that publishes three slices where version A is in place, and one where there is no lake yet.
What the trace shows: no file or folder is entered anywhere before its content is on disk, what was entered is made
permanent, nothing happens in the datasets' folders but the exchange, and what was replaced stays for a second.
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

import arena
import lakes

TRACED = (
    "write,pwrite64,writev,pwritev,ftruncate,fallocate,copy_file_range,sendfile,fsync,fdatasync,rename,renameat,renameat2,"
    "link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir,truncate,open,creat,openat,flock"
)
WRITES = ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "copy_file_range", "sendfile")
LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(.*)$")
GRACE = 1.0


class Event:
    """A call of the trace: lines and times of its beginning and end, its arguments as strace prints them."""

    def __init__(self, name, arguments, result, began, ended):
        self.name, self.arguments, self.result = name, arguments, result
        (self.began, self.began_at), (self.ended, self.ended_at) = began, ended
        self.path, self.to = self._paths()

    def _paths(self):
        # In order of appearance: descriptors with their paths, and texts. A text is relative to the descriptor before it.
        paths, folder = [], "/"
        for mark, text in re.findall(r'(?:(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>(?:\(deleted\))?)|"((?:[^"\\]|\\.)*)"', self.arguments):
            if mark:
                folder = mark
                if self.name in WRITES + ("fsync", "fdatasync", "flock"):
                    return mark, None
            elif text or self.name not in WRITES:
                paths.append(os.path.normpath(os.path.join(folder, text)))
        return (paths + [None, None])[:2]

    def before(self, other):
        return self.ended < other.began

    def creates(self):
        return self.name in ("open", "openat") and "O_CREAT" in self.arguments

    def __str__(self):
        return f"{self.name} {self.path}" + (f" -> {self.to}" if self.to else "")


def traced(binary, endpoint, lake, version, trace):
    """The calls of a run, in the order of their beginnings."""
    command = ["strace", "-f", "-y", "-ttt", "-s", "4", "-e", f"trace={TRACED}", "-o", str(trace)]
    command += lakes.command(binary, endpoint, lake)
    done = subprocess.run(command, env=lakes.environment(version), capture_output=True, text=True, timeout=lakes.TIMEOUT)
    if done.returncode != 0:
        raise SystemExit(f"the traced run: exit {done.returncode}: {done.stderr[-600:]}")
    events, open_calls = [], {}
    for number, line in enumerate(trace.read_text(errors="replace").splitlines()):
        thread, time, text = LINE.match(line).groups()
        at = (number, float(time))
        began = at
        if text.endswith("<unfinished ...>"):
            open_calls[thread] = (text.removesuffix("<unfinished ...>").rstrip(), at)
            continue
        if text.startswith("<... "):
            head, began = open_calls.pop(thread)
            text = head + text.partition("resumed>")[2]
        if found := CALL.match(text):
            name, arguments, result, _ = found.groups()
            events.append(Event(name, arguments, result, began, at))
    return sorted(events, key=lambda event: event.began)


class Proof:
    """Facts about a trace, each counted as often as it was found true."""

    def __init__(self, events, lake):
        self.root = os.path.realpath(lake)
        self.syncs = [event for event in events if event.name in ("fsync", "fdatasync") and event.result == "0"]
        inside = [event for event in events if any(self.inside(path) for path in (event.path, event.to))]
        self.events = [event for event in inside if not event.result.startswith("-")]
        self.held, self.broken = collections.Counter(), []

    def inside(self, path):
        return path is not None and (path == self.root or path.startswith(self.root + "/"))

    def short(self, path):
        return os.path.relpath(path, self.root)

    def fact(self, words, true, about):
        if true:
            self.held[words] += 1
        else:
            self.broken.append(f"{words}: not so for {about}")

    def of(self, path, *names):
        return [event for event in self.events if event.path == path and event.name in names]

    def synced(self, path, after, before=None):
        """Whether a file or folder was flushed between two calls."""
        syncs = [sync for sync in self.syncs if sync.path == path]  # the lake's own parent is outside of it
        return any((after is None or after.before(sync)) and (before is None or sync.before(before)) for sync in syncs)

    def content(self, path, entered):
        """A file's content is on disk before the file is entered somewhere, and never changes again."""
        made = [event for event in self.events if event.path == path and event.creates()]
        writes = self.of(path, *WRITES)
        syncs = [sync for sync in self.of(path, "fsync", "fdatasync") if sync.before(entered)]
        anew = len(made) == 1 and "O_EXCL" in made[0].arguments
        self.fact("a file is created anew (O_EXCL), under another name than the one it gets", anew, path)
        self.fact("a file is flushed (fsync) before it is put in place", bool(syncs), path)
        for write in writes:
            self.fact("a write ends before the flush of its file begins", bool(syncs) and write.before(syncs[-1]), write)
        if not writes:
            self.fact("a file is written at all", False, path)

    def exchange(self, event, expected):
        """One publication: everything before and after it."""
        staged, place = event.path, event.to
        self.fact(f"a slice is published by one renameat2 with {expected}", expected in event.arguments, event)
        files = sorted({made.path for made in self.events if made.creates() and os.path.dirname(made.path) == staged})
        self.fact("the folder that is put in place has one file", len(files) == 1, (event, files))
        for file in files:
            self.content(file, event)
            flushed = self.of(file, "fsync", "fdatasync")
            entered = bool(flushed) and self.synced(staged, flushed[-1], event)
            self.fact("the staged folder is flushed after its file and before it is put in place", entered, event)
        self.fact("the folder above the place is flushed after it", self.synced(os.path.dirname(place), event), event)
        self.fact("the folder above the staged one is flushed after it", self.synced(os.path.dirname(staged), event), event)
        locks = [lock for lock in self.events if lock.name == "flock" and "/locks/" in lock.path and "LOCK_EX" in lock.arguments]
        name = self.short(place).replace("enrollment=", "").replace("billing_period=", "").replace("/", ".")
        self.fact("the slice's lock is taken before", any(lock.before(event) and os.path.basename(lock.path).startswith(name) for lock in locks), event)
        if expected == "RENAME_EXCHANGE":
            dropped = [gone for gone in self.events if gone.name in ("unlink", "unlinkat") and gone.path.startswith(staged + "/")]
            self.fact("the replaced file is removed, after the exchange", bool(dropped) and all(event.before(gone) for gone in dropped), event)
            for gone in dropped:
                # By the trace's own times: that a reader who was listing it has a second to find its name.
                self.fact("the replaced file stays for a second", gone.began_at - event.ended_at >= GRACE, gone)
        for made in self.events:
            if made.name in ("mkdir", "mkdirat") and place.startswith(made.path + "/"):
                self.fact("a folder made above the place is flushed into its parent before", self.synced(os.path.dirname(made.path), made, event), made)

    def side(self, event):
        """A small file of the tool's own is put in place whole."""
        self.content(event.path, event)
        self.fact("the folder of a small file is flushed after it", self.synced(os.path.dirname(event.to), event), event)

    def own_files(self, exchanges):
        sides = {self.short(event.to): event for event in self.events if event.name in ("rename", "renameat")}
        for event in sides.values():
            self.side(event)
        for event in self.events:
            own = event.path.startswith(f"{self.root}/_billing_lake/") and not event.path.startswith(f"{self.root}/_billing_lake/staging/")
            if event.name in ("mkdir", "mkdirat") and own:
                self.fact("a folder of the tool's own is flushed into its parent", self.synced(os.path.dirname(event.path), event), event)
        last = sides.get("_billing_lake/last_run.json")
        reports = [event for name, event in sides.items() if name.startswith("_billing_lake/runs/")]
        self.fact("last_run.json is renewed in one piece", last is not None, self.root)
        self.fact("the run report is kept in one piece", len(reports) == 1, reports)
        for event in exchanges:
            permanent = [sync for sync in self.of(os.path.dirname(event.to), "fsync") if event.before(sync)]
            later = bool(last and permanent) and permanent[0].before(last)
            self.fact("last_run.json tells of a slice after its publication is permanent", later, event)
            kept = [side for name, side in sides.items() if name.startswith("_billing_lake/rejected/") and f"/{event.to[-7:]}/" in name]
            for side in kept:
                self.fact("rejected rows are kept before their slice is published", side.before(event), side)
        return sides

    def datasets(self, exchanges):
        """In the datasets' folders nothing happens but publications, and folders made for them."""
        for event in self.events:
            for path in (event.path, event.to):
                if not self.inside(path) or self.short(path).split("/")[0] in (".", "_billing_lake"):
                    continue
                harmless = event in exchanges or event.name in ("fsync", "mkdir", "mkdirat")
                harmless |= event.name in ("open", "openat") and not re.search("O_CREAT|O_WRONLY|O_RDWR|O_TRUNC", event.arguments)
                self.fact("no other call changes anything in the datasets' folders", harmless, event)
                if event.name in ("mkdir", "mkdirat"):
                    needed = any(exchange.to.startswith(path + "/") for exchange in exchanges)
                    self.fact("folders in the datasets are made for a publication only", needed, event)

    def run_folder(self, exchanges):
        """The run's own folder is locked before anything is staged in it, and removed last."""
        locks = [event for event in self.events if event.name == "flock" and os.path.dirname(event.path).endswith("/staging")]
        self.fact("the run's folder is locked", len(locks) == 1, [str(lock) for lock in locks])
        for lock in locks:
            inner = [event for event in self.events if event.path.startswith(lock.path + "/")]
            self.fact("the run's folder is locked before anything is staged", all(lock.before(event) for event in inner), lock)
            gone = [event for event in self.events if event.name in ("unlinkat", "rmdir") and event.path == lock.path]
            after = [str(event) for event in self.events if gone and event.began > gone[0].began and event.name != "flock"]
            self.fact("the run's folder is removed, as the run's last act in the lake", len(gone) == 1 and not after, after)


def prove(events, lake, expected):
    proof = Proof(events, lake)
    exchanges = [event for event in proof.events if event.name == "renameat2"]
    places = {proof.short(event.to) for event in exchanges}
    proof.fact("each slice is published, once", places == {lakes.folder_of(slice) for slice in lakes.SLICES} and len(exchanges) == 3, places)
    for event in exchanges:
        proof.exchange(event, expected)
    sides = proof.own_files(exchanges)
    kept = [name for name in sides if name.startswith("_billing_lake/rejected/")]
    proof.fact("the rejected rows of both periods are kept in one piece", len(kept) == 2, kept)
    if expected == "RENAME_NOREPLACE":
        first = sides.get("_billing_lake/lake.json")
        proof.fact("lake.json is put in place before the first publication", first is not None and all(first.before(event) for event in exchanges), first)
    proof.datasets(exchanges)
    proof.run_folder(exchanges)
    return proof


def main():
    options = arena.options(__doc__, workers=1).parse_args()
    if not shutil.which("strace"):
        print("FAILED strace is missing (Debian, Ubuntu: apt install strace)\n0 passed, 1 failed")
        sys.exit(1)
    tally = arena.Tally()
    with arena.arena(options) as place:
        for title, prepared, expected in (
            ("version A in place", place.prepared, "RENAME_EXCHANGE"),
            ("no lake yet", None, "RENAME_NOREPLACE"),
        ):
            lake = place.lake()
            lakes.copy(prepared, lake)
            events = traced(options.binary, place.api.endpoint, lake, "B", pathlib.Path(f"{lake}.trace"))
            proof = prove(events, lake, expected)
            print(f"{title}: {len(proof.events)} calls in the lake")
            for words, times in proof.held.items():
                print(f"  {times:4}  {words}")
                tally.case(title, [])
            if proof.broken:
                tally.case(title, proof.broken)
            tally.case(title, lakes.whole_in(lake, "B"))
    sys.exit(tally.verdict())


if __name__ == "__main__":
    main()
