"""The states that a billing period goes through in `mixes.py`, how they are published, and who reads them.

A is as simulated. B has the same rows with other digits in `cost` and other letters in two texts, of the same lengths, so
that its file has the same offsets: the case in which a mixture can be decoded. C is B without its last page.
"""

import decimal
import io
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading

import pyarrow.parquet

import readers
from runs import Program
from servers import die_with_parent

HERE = pathlib.Path(__file__).parent
SPARK = pathlib.Path(sys.prefix).parent / "readers-env/bin/python"
FORM = ("--memory", "88MiB", "--compression", "none")  # row groups of some 9,000 rows, offsets that do not move
ROWS = {"one": 20_000, "several": 3_000}
PERIODS = {"one": ("2024-01",), "several": ("2024-01", "2024-02", "2024-03")}
PATIENCE = 120  # seconds for one answer


class States:
    """Folders of pages by question, state and period, and what is in them by a plain reading."""

    def __init__(self, binary, work):
        self.folders, self.truth = {}, {}
        for question, periods in PERIODS.items():
            made = work / question
            options = ["--months", str(len(periods)), "--rows-per-month", str(ROWS[question]), "--page-rows", str(ROWS[question] // 4)]
            command = [binary, "simulate", "--seed", "11", "--data", "unique", "--enrollments", "100", "--from", "2024-01", *options, "--write-pages", made]
            subprocess.run(command, check=True, capture_output=True)
            for period in periods:
                pages = [page.read_bytes() for page in sorted((made / "100" / period.replace("-", "")).iterdir())]
                changed = [other(page) for page in pages]
                for state, bodies in {"A": pages, "B": changed, "C": changed[:-1]}.items():
                    folder = work / f"{question}-{state}-{period}"
                    folder.mkdir()
                    for number, body in enumerate(bodies):
                        (folder / f"page-{number:05}.json").write_bytes(body)
                    self.folders[question, state, period] = folder
                    self.truth[question, state, period] = counted(bodies)


def other(page):
    """Another page of the same length: the last digit of each cost is another one, of texts a letter."""
    page = re.sub(rb'("cost":[0-9.]*)([1-9])(?=[,}])', lambda found: found[1] + b"%d" % (int(found[2]) % 9 + 1), page)
    return page.replace(b"/subscriptions/", b"/Subscriptions/").replace(rb"\"Asset\"", rb"\"asset\"")


def counted(bodies):
    """Rows, and the sums of cost and quantity, of pages."""
    rows = [row for body in bodies for row in json.loads(body, parse_float=decimal.Decimal, parse_int=decimal.Decimal)["data"]]
    with decimal.localcontext(prec=60):
        places = decimal.Decimal(1).scaleb(-18)
        sums = [sum(row[name].quantize(places, decimal.ROUND_HALF_EVEN) for row in rows) for name in ("cost", "consumedQuantity")]
    return [len(rows), *map(readers.plain, sums)]


class Publisher:
    """Puts states into a lake by the program, or as copies by PyArrow, which have no salt and one name for ever."""

    def __init__(self, binary, place, layout, states, question, plain=None):
        self.program, self.place, self.layout, self.states, self.question, self.plain = Program(binary), place, layout, states, question, plain
        self.count, self.complaints, self.lock = 0, [], threading.Lock()

    def publish(self, state, periods=None):
        for period in periods or PERIODS[self.question]:
            if self.layout == "plain":
                self.put(f"usage_details/enrollment=100/billing_period={period}/data.parquet", self.plain[self.question, state, period])
            else:
                arguments = ["convert", "-q", "--layout", self.layout, "--enrollment", "100", "--force", *FORM, "--dest", self.place.url]
                run = self.program.begin([*arguments, self.states.folders[self.question, state, period]], self.place.environment()).end()
                self.program.runs.clear()
                if run.code:
                    self.complaints.append(f"{self.place} {self.layout}, publishing {state} of {period}: {run.said()}")
            with self.lock:
                self.count += 1

    def put(self, key, body):
        if self.place.kind != "disk":
            return self.place.put(key, body)
        to = self.place.path(key)
        to.parent.mkdir(parents=True, exist_ok=True)
        beside = self.place.path(f"{to.name}.{threading.get_ident()}")
        beside.write_bytes(body)
        beside.rename(to)


def copies(binary, places, states):
    """{(question, state, period): bytes} of the program's files, of a lake each on disk, written again by PyArrow."""
    found = {}
    for question, periods in PERIODS.items():
        for state in "ABC":
            with places("disk") as place:
                Publisher(binary, place, "hive", states, question).publish(state)
                for period in periods:
                    file = next(place.path(f"usage_details/enrollment=100/billing_period={period}").iterdir())
                    sink = io.BytesIO()
                    table = pyarrow.parquet.ParquetFile(file).read()
                    pyarrow.parquet.write_table(table, sink, compression="none", row_group_size=7000, store_schema=False)
                    found[question, state, period] = sink.getvalue()
    return found


class Process:
    """A reader's process; it answers one question after the other. One that has died is started anew by the next question."""

    def __init__(self, name):
        self.name, self.process = name, None
        self.start()

    def start(self):
        script = [SPARK, HERE / "mix_spark.py"] if self.name == "Spark" else [sys.executable, HERE / "mix_reader.py", self.name]
        self.process = subprocess.Popen(
            script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        self.lines = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process.stdout, self.lines), daemon=True).start()
        self.version = self.answer().get("version")

    def _listen(self, stdout, lines):
        for line in stdout:
            lines.put(line)
        lines.put(None)

    def begin(self, spec):
        if self.process.poll() is not None:
            self.start()
        try:
            self.process.stdin.write(json.dumps(spec) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass

    def answer(self):
        try:
            line = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            self.end()
            return {"died": f"no answer within {PATIENCE} s"}
        return {"died": f"the reader's process ended: {self.process.wait()}"} if line is None else json.loads(line)

    def signal(self, number):
        """To all its threads, and to its JVM."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def end(self):
        self.signal(signal.SIGKILL)
        self.process.wait()


class Readers:
    """A process a reader, for all lakes."""

    def __init__(self):
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.end()

    def of(self, name, place, layout, keep=False, endpoint=None):
        if name not in self.processes:
            self.processes[name] = Process(name)
            if not self.processes[name].version:
                raise SystemExit(f"{name} does not start: {' '.join(map(str, self.processes[name].process.args))}")
        return Reader(self.processes[name], place, layout, keep, endpoint)


class Reader:
    """Asks about one lake: with everything made anew for each question, or kept open."""

    def __init__(self, process, place, layout, keep, endpoint):
        server, self.process = place.server, process
        self.spec = {"kind": place.kind, "bucket": place.bucket, "prefix": place.prefix, "layout": layout, "keep": keep}
        if place.kind == "s3":
            self.spec["server"] = {"endpoint": endpoint or server.endpoint, "access_key": server.access_key, "secret": server.secret}
        elif server:
            self.spec["server"] = {"endpoint": endpoint or server.endpoint, "account": server.account, "key": server.key}

    def begin(self, question):
        self.process.begin(self.spec | {"question": question})

    def answer(self):
        return self.process.answer()

    def ask(self, question):
        self.begin(question)
        return self.answer()

    def hold(self):
        self.process.signal(signal.SIGSTOP)

    def go_on(self):
        self.process.signal(signal.SIGCONT)
