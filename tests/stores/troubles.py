"""A store in trouble: each case has a lake and a proxy of its own, and many are played at once, since they mostly wait.

Whatever happens, each object is the old file or the new one, whole; success means the new one; and a sync on a store that
is well again brings all of it to its end.
"""

import concurrent.futures
import dataclasses

from bench import is_own, truth_of, usage_key, writes
from faulty import Answer, Delay, LoseAnswer, LoseRequest, Rule, internal_error

AT_ONCE = 16
PERIODS = ("2024-01", "2024-02")
MIB = 1 << 20
DATA = r"/data\.parquet$"
OWN_FILES = r"/_billing_lake/"
LARGE_ROWS = 50_000
LARGE_FORM = ("--compression", "none")


@dataclasses.dataclass
class Case:
    """What the proxy plays, made for a place; which exit codes are right, and whether no file may have changed."""

    what: str
    rules: object
    codes: tuple = (0,)
    stays: bool = False
    words: tuple = ()  # of which one is in the message
    on: tuple = ("s3", "az")


def denied(at):
    if at.kind == "s3":
        return Answer(403, "AccessDenied", "Access Denied")
    return Answer(403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")


def skewed(at):
    if at.kind == "s3":
        return Answer(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
    return Answer(403, "AuthenticationFailed", "Server failed to authenticate the request. Request date header too old.")


SMALL = [
    Case("500 once for each PUT", lambda at: [Rule(internal_error(), times=1, path=usage_key("100", period), **at.PUT) for period in PERIODS]),
    Case("busy five times for PUT", lambda at: [Rule(at.busy(), times=5, path=DATA, **at.PUT)]),
    Case("busy three times for listings", lambda at: [Rule(at.busy(), times=3, **at.LIST)]),
    Case("busy three times for reads", lambda at: [Rule(at.busy(), "GET", path=DATA, times=3)]),
    Case("busy three times for the tool's own files", lambda at: [Rule(at.busy(), path=OWN_FILES, times=3)]),
    Case("every second request is answered 500", lambda at: [Rule(internal_error(), first=number, times=1) for number in range(1, 40)]),
    Case("a slow store", lambda at: [Rule(Delay(0.3))]),
    Case("500 for ever for PUT", lambda at: [Rule(internal_error(), path=DATA, **at.PUT)], (6,), True, ("500", "internal")),
    Case("busy for ever", lambda at: [Rule(at.busy())], (6,), True, ("503", "SlowDown", "ServerBusy", "busy", "reduce")),
    Case("500 for ever for listings", lambda at: [Rule(internal_error(), **at.LIST)], (6,), True, ("500", "internal")),
    Case("500 for ever for reads", lambda at: [Rule(internal_error(), "GET", path=DATA)], (6,), True, ("500", "internal")),
    Case("a connection that breaks within each first PUT", lambda at: [Rule(LoseRequest(after=1000), path=DATA, times=2, **at.PUT)], (0, 6)),
    Case("connections that break within every PUT", lambda at: [Rule(LoseRequest(after=1000), path=DATA, **at.PUT)], (6,), True),
    Case("connections that break at once", lambda at: [Rule(LoseRequest())], (6,), True),
    Case("answers to PUT are lost", lambda at: [Rule(LoseAnswer(), path=DATA, times=2, **at.PUT)], (0, 6)),
    Case("answers to reads break off", lambda at: [Rule(LoseAnswer(after=100), "GET", path=DATA, times=2)], (0, 6)),
    Case("answers to listings break off", lambda at: [Rule(LoseAnswer(after=100), times=2, **at.LIST)], (0, 6)),
    Case("may not write", lambda at: [Rule(denied(at), path=DATA, **at.PUT)], (6,), True, ("denied", "permission", "authorized", "403")),
    Case("may not write anything", lambda at: [Rule(denied(at), ("PUT", "POST"))], (6,), True, ("denied", "permission", "authorized", "403")),
    Case("may not list", lambda at: [Rule(denied(at), **at.LIST)], (6,), True, ("denied", "permission", "authorized", "403")),
    Case("a clock that is wrong", lambda at: [Rule(skewed(at))], (6,), True, ("RequestTimeTooSkewed", "time", "clock", "date")),
    Case(
        "a blob that another holds", lambda at: [Rule(Answer(412, "LeaseIdMissing", "There is currently a lease on the blob."), path=DATA, **at.PUT)],
        (6,), True, ("lease", "412"), ("az",),
    ),
]  # fmt: skip

LARGE = [
    Case("500 once for a part", lambda at: [Rule(internal_error(), times=1, **at.PART)]),
    Case("busy five times for parts", lambda at: [Rule(at.busy(), times=5, **at.PART)]),
    Case("500 for ever for parts", lambda at: [Rule(internal_error(), **at.PART)], (6,), True, ("500", "internal")),
    Case("a connection that breaks within a part", lambda at: [Rule(LoseRequest(after=MIB), first=2, times=1, **at.PART)], (0, 6)),
    Case("connections that break within every part", lambda at: [Rule(LoseRequest(after=MIB), **at.PART)], (6,), True),
    Case("the answer to a part is lost", lambda at: [Rule(LoseAnswer(), first=2, times=1, **at.PART)], (0, 6)),
    Case("500 once at an upload's end", lambda at: [Rule(internal_error(), times=1, **at.COMPLETE)]),
    Case("500 for ever at an upload's end", lambda at: [Rule(internal_error(), **at.COMPLETE)], (6,), True, ("500", "internal")),
    Case("the answer at an upload's end is lost", lambda at: [Rule(LoseAnswer(), times=1, **at.COMPLETE)], (0, 6)),
    Case("500 for ever at an upload's beginning", lambda at: [Rule(internal_error(), **at.BEGIN)], (6,), True, ("500", "internal"), ("s3",)),
    Case(
        "500 for ever for parts, and for giving up", lambda at: [Rule(internal_error(), **at.PART), Rule(internal_error(), **at.ABORT)],
        (6,), True, ("500", "internal"), ("s3",),
    ),
]  # fmt: skip


def check(bench, kind):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(each, bench, kind) for each in (small, large, no_lake_yet)]:
            done.result()


def small(bench, kind):
    with bench.service(months=2, rows_per_month=2000) as service, bench.place(kind, "prepared") as prepared:
        all_of(bench, service, prepared, SMALL, ())


def large(bench, kind):
    with bench.service(months=1, rows_per_month=LARGE_ROWS, data="unique", page_rows=5000) as service, bench.place(kind, "prepared") as prepared:
        all_of(bench, service, prepared, LARGE, LARGE_FORM)


def all_of(bench, service, prepared, cases, more):
    if not bench.succeeds(f"{prepared}, before the trouble", bench.program.sync(prepared, service, *more), "ok"):
        return
    old = truth_of(service)
    for _, period in old:
        service.restate("100", period.replace("-", ""))
    new = truth_of(service)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        begun = [pool.submit(play, bench, service, prepared, old, new, case, more) for case in cases if prepared.kind in case.on]
        for done in begun:
            done.result()


def play(bench, service, prepared, old, new, case, more):
    told, verdict = f"{prepared}, {case.what}", bench.verdict
    with bench.copy(prepared, "trouble") as at:
        before = at.data()
        rules = at.proxy.play(*case.rules(at))
        run = bench.program.sync(at, service, *more)
        verdict.check(f"{told}: it was played", any(rule.played for rule in rules), run.said())
        at.proxy.play()
        verdict.check(f"{told}: exit code in {case.codes}", run.code in case.codes, run.said())
        if run.code:
            bench.fails(told, run, at, *case.words)
        if case.stays:
            verdict.check(f"{told}: no file has changed", at.data() == before)
        verdict.equal(f"{told}: the objects of the datasets", sorted(at.data()), sorted(before))
        bench.own_are_whole(told, at)
        for slice in new:
            state = bench.slice_is(told, at, usage_key(*slice), old[slice], new[slice])
            verdict.check(f"{told}: success means the new file of {slice}", run.code or state == 1)
        if at.kind == "s3" and "giving up" not in case.what:
            verdict.equal(f"{told}: uploads that are left", at.uploads(), [])
        bench.succeeds(f"{told}, then well again", bench.program.sync(at, service, *more))
        bench.tidy(f"{told}, then well again", at, before)
        for slice in new:
            bench.slice_is(f"{told}, then well again", at, usage_key(*slice), new[slice])


def no_lake_yet(bench, kind):
    """The first sync of all meets the trouble: readers see nothing, and later a whole lake."""
    told = f"{kind}, no lake yet"
    with bench.service(months=2, rows_per_month=2000) as service, bench.place(kind, "none") as at:
        at.proxy.play(Rule(internal_error(), path=DATA, **at.PUT))
        bench.fails(f"{told}, 500 for ever for PUT", bench.program.sync(at, service), at, "500", "internal")
        bench.verdict.equal(f"{told}: what readers see", sorted(at.data()), [])
        bench.verdict.check(f"{told}: it has tried", [request for request in writes(at) if not is_own(request)])
        at.proxy.play()
        bench.succeeds(f"{told}, then well again", bench.program.sync(at, service), "ok")
        bench.reads(f"{told}, then well again", at, truth_of(service))
