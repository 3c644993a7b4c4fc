"""The simulator as a process, its pages as served, and runs of billing-lake against it."""

import gzip
import json
import os
import subprocess
import urllib.error
import urllib.request


class Service:
    """`billing-lake simulate` on a free port of this machine, until `stop`."""

    def __init__(self, binary, **options):
        self.binary = os.path.abspath(binary)
        self.key = options.pop("key", "key-of-the-readers-tests")
        command = [self.binary, "simulate", "--port", "0", "--key", self.key]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self.complaint = ""
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline().strip()
        if not first.startswith("endpoint="):
            self.stop()
            raise SystemExit(f"the simulator did not start: {' '.join(command)}: first line {first!r}")
        self.endpoint = first.removeprefix("endpoint=")
        self.said = ""  # all output of the runs
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, url, method="GET", headers=()):
        """Body and headers of an answer; a path is taken from the service's own root."""
        url = url if url.startswith("http") else self.endpoint + url
        headers = {"Authorization": f"bearer {self.key}", **dict(headers)}
        request = urllib.request.Request(url, method=method, headers=headers)
        with self.opener.open(request, timeout=60) as answer:
            body = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return body, answer.headers

    def pages(self, enrollment, period, zipped=False):
        """The pages of a billing period `yyyyMM` as served, in order, and the ETag of the first."""
        return self.chain(f"/v3/enrollments/{enrollment}/billingPeriods/{period}/usagedetails", zipped)

    def chain(self, url, zipped=False):
        """A page and those that its links lead to, and the ETag of the first."""
        headers = {"Accept-Encoding": "gzip"} if zipped else {}
        bodies, etag = [], None
        while url:
            body, answered = self.ask(url, headers=headers)
            etag = etag or answered.get("ETag")
            bodies.append(body)
            url = json.loads(body, parse_float=str, parse_int=str).get("nextLink")
        return bodies, etag

    def truth(self):
        return json.loads(self.ask("/_truth")[0])

    def restate(self, enrollment, period):
        return json.loads(self.ask(f"/_restate?enrollment={enrollment}&period={period}", "POST")[0])

    def run(self, *arguments, key=None):
        """A run of billing-lake: exit code and run report (None when it printed none)."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_LAKE_")}
        environment["BILLING_LAKE_API_KEY"] = key or self.key
        command = [self.binary, *map(str, arguments), "--format", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.said += done.stdout + done.stderr
        try:
            report = json.loads(done.stdout)
        except ValueError:
            report = None
        if done.returncode or report is None:
            self.complaint = f"exit {done.returncode}: {done.stderr.strip()[-2000:]}"
        else:
            self.complaint = ""
        return done.returncode, report

    def sync(self, dest, enrollment, *more, key=None):
        arguments = ("sync", "--datasets", "billing_periods,usage_details", "--endpoint", self.endpoint, "--enrollment", enrollment, "--dest", dest)
        return self.run(*arguments, *more, key=key)
