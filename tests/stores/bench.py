"""What the checks of `check_stores.py` stand on: the program, both stores, and what a lake on one of them must hold."""

import contextlib
import hashlib
import itertools
import json
import pathlib
import shutil
import tempfile

import readers
from disk import DiskPlace
from places import OWN, place
from readers import plain
from runs import Program, Service

AMOUNTS = ["cost", "consumed_quantity", "resource_rate"]


def with_dash(period):
    return f"{period[:4]}-{period[4:]}"


def truth_of(service):
    """{(enrollment, billing period): (rows, sums of `AMOUNTS`)} of usage, as the simulator counted in integers."""
    found = {}
    for enrollment, periods in service.truth()["enrollments"].items():
        for period, told in periods.items():
            found[enrollment, with_dash(period)] = (told["rows"], tuple(told["sums"][name] for name in AMOUNTS))
    return found


def usage_key(enrollment, period):
    return f"usage_details/enrollment={enrollment.replace(':', '%3A')}/billing_period={period}/data.parquet"


def state_of(body):
    """(rows, sums) of a file's bytes by PyArrow; raises when it is no whole file, or not the one its footer is of."""
    table = readers.table_of(body)
    digest = readers.footer_of(body).get("billing_lake.digest")
    length = int.from_bytes(body[-8:-4], "little")
    counted = "sha256:" + hashlib.sha256(body[: len(body) - 8 - length]).hexdigest()
    if digest != counted:
        raise ValueError(f"the footer's digest is {digest}, that of the bytes {counted}")
    return table.num_rows, tuple(plain(readers.pyarrow.compute.sum(table[name]).as_py()) for name in AMOUNTS)


class Bench:
    """One script's program, stores and verdict, and a folder that is gone afterwards."""

    above = "team="  # a prefix that looks like a partition

    def __init__(self, binary, stores, verdict, objects):
        self.program, self.stores, self.verdict, self.objects = Program(binary), stores, verdict, objects
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-stores-"))
        self.numbers, self.secrets, self.peaks = itertools.count(1), set(), []

    def remove(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def place(self, kind, name, bucket=None):
        """A place that nothing was at before, with a prefix of more than one part."""
        prefix = f"{self.above}{kind}/{name}-{next(self.numbers)}"
        at = DiskPlace(prefix) if kind == "disk" else place(self.stores, kind, prefix, bucket)
        self.secrets.update(at.secrets)
        return at

    @contextlib.contextmanager
    def service(self, **options):
        """The simulator. Its key is a secret, too."""
        options = {"seed": 7, "from": "2024-01", "page_rows": 1000} | options
        service = Service(self.program.binary, key=f"key-of-the-api-{next(self.numbers)}", **options)
        self.secrets.add(service.key)
        try:
            yield service
        finally:
            service.stop()

    # --- checks of a lake; `told` says where in the story we are ---

    def succeeds(self, told, run, outcome=None):
        right = self.verdict.check(f"{told}: exit code 0", run.code == 0, run.said())
        if right and outcome:
            right = self.verdict.equal(f"{told}: outcome of the run", (run.report or {}).get("outcome"), outcome)
        return right

    def fails(self, told, run, place, *words, code=6):
        """The exit code, and an error that names the place and what is wrong, in words of which one must be there."""
        right = self.verdict.check(f"{told}: exit code {code}", run.code == code, run.said())
        if isinstance(run.report, dict) and code == 6:
            right &= self.verdict.check(f"{told}: the report says whose fault it is", "destination" in error_kinds(run.report), str(error_kinds(run.report)))
        said = (run.stderr + run.stdout).lower()
        if words:
            right &= self.verdict.check(f"{told}: the message says what is wrong", any(word.lower() in said for word in words), run.said())
        named = [place.url, place.bucket]
        return right & self.verdict.check(f"{told}: the message names the place", any(name.lower() in said for name in named), run.said())

    def reads(self, told, at, wanted):
        """Rows and exact sums of every slice, by each reader."""
        assert wanted and all(rows for rows, _ in wanted.values()), "a check against nothing"
        for name, read in readers.READERS.items():
            said, got = [], None
            with readers.told(said):
                got = read(at, "usage_details", AMOUNTS)
            self.verdict.equal(f"{told}: {name}", said or got, wanted)

    def slice_is(self, told, at, key, *states):
        """The object is whole, and in one of these states; which one, from 0."""
        said, got = [], None
        with readers.told(said):
            got = state_of(at.get(key))
        right = self.verdict.check(f"{told}: {key} is whole", got in states, str(said or f"got {got}, expected one of {states}"))
        return states.index(got) if right else None

    def tidy(self, told, at, keys, unnoted=False):
        """These objects and no other outside of the tool's folder; in it nothing staged, and no upload anywhere. An upload
        that was begun and could not be noted any more has no parts, and costs nothing."""
        self.verdict.equal(f"{told}: the objects of the datasets", sorted(at.data()), sorted(keys))
        self.verdict.equal(f"{told}: what is staged", sorted(at.own("staging")), [])
        if at.kind == "s3":
            self.verdict.equal(f"{told}: uploads that are left", at.uploads(with_parts=unnoted), [])
        self.own_are_whole(told, at)

    def own_are_whole(self, told, at):
        for key in at.own():
            if key.endswith(".json"):
                said = []
                with readers.told(said):
                    json.loads(at.get(key))
                self.verdict.check(f"{told}: {key} is whole", not said, str(said))

    def copy(self, source, name):
        """A lake at another place of that kind, with the objects of the first."""
        at = self.place(source.kind, name)
        for key in source.list():
            at.copy(key, key, source)
        return at


def error_kinds(report):
    """Of the run, and of its slices."""
    return {part["error"]["kind"] for part in [report, *report.get("slices", [])] if part.get("error")}


def writes(at):
    """The requests of the program that change something, since the rules were last set."""
    return at.proxy.asked(method=("PUT", "POST", "DELETE", "PATCH"))


def is_own(request):
    return f"/{OWN}" in request.path
