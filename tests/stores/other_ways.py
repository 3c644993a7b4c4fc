"""What else comes to a lake on a store: `plan`, `verify`, `convert`, and a lake that was copied there from a disk."""

from bench import truth_of, usage_key, writes
from runs import outcomes

PERIODS = ("2024-01", "2024-02")
KEYS = [usage_key("100", period) for period in PERIODS]
ALL_KEYS = ["billing_periods/enrollment=100/data.parquet", *KEYS]


def check(bench, kind):
    with bench.service(months=2, rows_per_month=2000) as service:
        with bench.place(kind, "asked") as at:
            bench.succeeds(f"{at}, before other ways", bench.program.sync(at, service), "ok")
            only_looking(bench, service, at)
            verified(bench, service, at)
        with bench.place(kind, "converted") as at:
            converted(bench, service, at)
        with bench.place(kind, "copied") as at:
            copied(bench, service, at)


def only_looking(bench, service, at):
    """`plan` says what is due, and neither it nor `status` changes anything, not even of the tool's own."""
    service.restate("100", "202402")
    before = at.list()
    at.proxy.play()
    run = bench.program.sync(at, service, command="plan")
    bench.verdict.check(f"{at}: exit code of plan", run.code == 0, run.said())
    bench.verdict.equal(f"{at}: plan", outcomes(run), dict.fromkeys(PERIODS, "planned"))
    status = bench.program.ask("status", at)
    bench.verdict.check(f"{at}: exit code of status", status.code == 0, status.said())
    bench.verdict.check(f"{at}: both have looked", len(at.proxy.asked()) > 2)
    bench.verdict.equal(f"{at}: requests of theirs that change something", [(one.method, one.path) for one in writes(at)], [])
    bench.verdict.check(f"{at}: nothing has changed", at.list() == before)
    bench.succeeds(f"{at}: sync after plan", bench.program.sync(at, service), "ok")
    bench.reads(f"{at}: sync after plan", at, truth_of(service))


def verified(bench, service, at):
    """One bit of a row changes on the store: `verify` names the file, and only that one."""
    good = bench.program.ask("verify", at)
    bench.verdict.check(f"{at}: verify of a sound lake", good.code == 0 and KEYS[0] in good.stdout, good.said())
    body = bytearray(at.get(KEYS[1]))
    body[len(body) // 3] ^= 1
    at.put(KEYS[1], bytes(body))
    at.proxy.play()
    bad = bench.program.ask("verify", at)
    bench.verdict.check(f"{at}: verify of a damaged one", bad.code not in (0, 1), bad.said())
    bench.verdict.check(f"{at}: names the file", KEYS[1] in bad.stdout + bad.stderr, bad.said())
    bench.verdict.equal(f"{at}: verify changes nothing", [(one.method, one.path) for one in writes(at)], [])
    bench.succeeds(f"{at}: sync --force heals", bench.program.sync(at, service, "--force"), "ok")
    bench.reads(f"{at}: sync --force heals", at, truth_of(service))


def converted(bench, service, at):
    """Saved pages become a lake on the store; a period that is there is not replaced unasked."""
    pages = bench.work / f"pages-{at}"
    pages.mkdir()
    for period in PERIODS:
        for number, body in enumerate(service.pages("100", period.replace("-", ""))[0]):
            (pages / f"{period}-{number:03}.json").write_bytes(body)
    arguments = ["convert", pages, "-q", "--format", "json", "--enrollment", "100", "--dest", at.url]
    run = bench.program.begin(arguments, at.environment()).end()
    bench.succeeds(f"{at}, convert", run, "ok")
    bench.tidy(f"{at}, convert", at, KEYS)
    bench.reads(f"{at}, convert", at, truth_of(service))
    before = at.data()
    again = bench.program.begin(arguments, at.environment()).end()
    bench.verdict.check(f"{at}, convert again: exit code 2", again.code == 2, again.said())
    bench.verdict.check(f"{at}, convert again: no file has changed", at.data() == before)
    bench.succeeds(f"{at}, convert --force", bench.program.begin([*arguments, "--force"], at.environment()).end(), "ok")
    bench.tidy(f"{at}, convert --force", at, KEYS)
    bench.verdict.check(f"{at}, convert --force: all files are new", all(at.data()[key].etag != before[key].etag for key in KEYS))
    bench.reads(f"{at}, convert --force", at, truth_of(service))


def copied(bench, service, at):
    """Files keep the names that they had on the disk, and never does a partition hold two."""
    local = bench.work / f"copied-{at}"
    bench.succeeds(f"{at}, a lake on the disk", bench.program.sync(local, service), "ok")
    for file in local.rglob("*"):
        if file.is_file() and file.suffix in (".parquet", ".json"):
            at.put(str(file.relative_to(local)), file.read_bytes())
    keys = sorted(at.data())
    bench.verdict.check(f"{at}, copied: names of a disk", len(keys) == 3 and not set(keys) & set(ALL_KEYS), str(keys))
    bench.succeeds(f"{at}, copied: a sync", bench.program.sync(at, service), "unchanged")
    bench.tidy(f"{at}, copied: a sync", at, keys)
    service.restate("100", "202401")
    before = at.data()
    run = bench.program.sync(at, service)
    bench.succeeds(f"{at}, copied: a restatement", run, "ok")
    bench.tidy(f"{at}, copied: a restatement", at, keys)
    changed = [key for key, found in at.data().items() if found.etag != before[key].etag]
    bench.verdict.check(f"{at}, copied: a restatement changes one file", len(changed) == 1 and "billing_period=2024-01" in changed[0], str(changed))
    bench.reads(f"{at}, copied: a restatement", at, truth_of(service))
    twice(bench, service, at, changed[0] if changed else keys[-1])


def twice(bench, service, at, key):
    """Somebody copies a file beside another: its rows count twice until the period is published again."""
    told = f"{at}, two files in a partition"
    at.copy(key, key.replace("data", "part"))
    service.restate("100", "202401")
    others = [name for name in at.data() if "billing_period=2024-01" not in name]
    bench.succeeds(told, bench.program.sync(at, service), "ok")
    left = [name for name in at.data() if "billing_period=2024-01" in name]
    bench.verdict.check(f"{told}: one is left", len(left) == 1, str(left))
    bench.tidy(told, at, [*others, *left])
    bench.reads(told, at, truth_of(service))
