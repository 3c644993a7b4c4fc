#!/usr/bin/env python3
"""The API's real name, played on this machine: curl and billing-lake speak to https://consumption.azure.com, and the
simulator answers.

    python3 tests/api/check_real_host.py target/release/billing-lake

Runs in namespaces of its own (`unshare`: users, mounts, network), in which that name is 127.0.0.1, port 443 is free and
nothing outside can be reached. The certificate is made for the occasion. Needs Linux, unshare, ip, openssl and curl.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HOST = "consumption.azure.com"
INSIDE = "BILLING_LAKE_TEST_NAMESPACE"
KEY = "key-of-the-real-host's-test"
ROWS = 2_345


def run(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, **more)


def enter():
    """Starts this script again where the name is ours. Returns its exit code."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--", sys.executable, *sys.argv]
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}).returncode


def prepare(folder):
    """The network of this machine alone, the name, and a certificate for it."""
    run("ip", "link", "set", "lo", "up")
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.1 {HOST}\n")
    run("mount", "--bind", hosts, "/etc/hosts")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    run("openssl", "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test", **quiet)
    run("openssl", "req", *new_key, "-keyout", "host.key", "-out", "host.csr", "-subj", f"/CN={HOST}", **quiet)
    (folder / "extensions").write_text(f"subjectAltName=DNS:{HOST}\n")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions"]
    run("openssl", "x509", "-req", "-in", "host.csr", *signed, "-out", "host.pem", **quiet)


def curl(folder, *arguments):
    """Status and body of an answer."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", "--cacert", folder / "ca.pem", "--write-out", "\n%{http_code}"]
    out = run(*command, *arguments, stdout=subprocess.PIPE).stdout
    body, _, status = out.rpartition(b"\n")
    return int(status), body


def ask(folder, url, *more):
    status, body = curl(folder, "--header", f"Authorization: bearer {KEY}", *more, url)
    assert status == 200, (url, status, body[:200])
    return body


def check_pages(folder, base):
    """Every page of a month, by its links, which have the real name in them."""
    url, rows = f"{base}/v3/enrollments/100/billingPeriods/202401/usagedetails", 0
    while url:
        assert url.startswith(base + "/v3/"), url
        page = json.loads(ask(folder, url, "--compressed"))
        rows, url = rows + len(page["data"]), page["nextLink"]
    assert rows == ROWS, rows


def check_order(folder, base):
    """An ordered file, which is on another port of the same name, and wants no key."""
    submit = f"{base}/v3/enrollments/100/usagedetails/submit?billingPeriod=202401"
    order = json.loads(ask(folder, submit, "--request", "POST", "--header", "Content-Length: 0"))
    while order["status"] != 3:
        assert order["reportUrl"].startswith(base + "/"), order
        order = json.loads(ask(folder, order["reportUrl"]))
    assert order["blobPath"].startswith(f"https://{HOST}:"), order
    status, text = curl(folder, order["blobPath"])
    assert status == 200 and text.startswith(b"UsageDetail Report"), (status, text[:200])
    # Two lines before the captions, and no line break inside a cell.
    assert text.count(b"\r\n") == ROWS + 3, text.count(b"\r\n")


def check_sync(folder, binary):
    """billing-lake with nothing but the certificate: the name is its own default."""
    environ = {**os.environ, "BILLING_LAKE_API_KEY": KEY}
    for name in ("BILLING_LAKE_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        environ.pop(name, None)
    lake = ["--enrollment", "100", "--ca-bundle", folder / "ca.pem", "--dest", folder / "lake"]
    report = run(binary, "sync", *lake, "--format", "json", env=environ, stdout=subprocess.PIPE).stdout
    slices = [one for one in json.loads(report)["slices"] if one["dataset"] == "usage_details"]
    assert len(slices) == 2 and all(one["outcome"] == "published" for one in slices), slices


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    if INSIDE not in os.environ:
        sys.exit(enter())
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        prepare(folder)
        base = f"https://{HOST}"
        certificate = ["--tls-cert", folder / "host.pem", "--tls-key", folder / "host.key"]
        data = ["--months", "2", "--rows-per-month", str(ROWS), "--key", KEY]
        command = [binary, "simulate", "--port", "443", "--public-base", base, *certificate, *data]
        simulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            first = simulator.stdout.readline().strip()
            assert first == "endpoint=https://127.0.0.1:443", first
            check_pages(folder, base)
            check_order(folder, base)
            check_sync(folder, binary)
            truth = json.loads(curl(folder, f"{base}/_truth")[1])
            assert truth["counters"]["keys_sent_to_blobs"] == 0, truth["counters"]
        finally:
            simulator.terminate()
            simulator.wait()
    print(f"https://{HOST} was played: {ROWS} rows by links, as a file and into a lake")


if __name__ == "__main__":
    main()
