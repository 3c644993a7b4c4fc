"""Proves what the other scripts here stand on, without the program: the two servers, the proxy and the readers.

    check_parts.py

The lakes are written by PyArrow and put there by boto3 and azure-storage-blob.
"""

import datetime
import decimal
import io
import logging
import subprocess
import sys
import threading

import azure.core.exceptions
import botocore.exceptions
import pyarrow
import pyarrow.parquet

import readers
import servers
from faulty import After, Before, Delay, Hold, LoseAnswer, LoseRequest, Rule, internal_error
from places import PLACES, place
from verdict import Verdict

PERIODS = ("2024-01", "2024-02")
ERRORS = (azure.core.exceptions.AzureError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError)
MIB = 1 << 20


def file_of(period, enrollment="0100", factor=1):
    """A small file with an exact sum that tells which one it is."""
    rows = 1000 * int(period[-1])
    table = pyarrow.table({
        "cost": pyarrow.array([decimal.Decimal(factor * number).scaleb(-18) for number in range(rows)], pyarrow.decimal128(38, 18)),
        "enrollment_number": [enrollment] * rows,
        "billing_month": pyarrow.array([datetime.date.fromisoformat(period + "-01")] * rows),
    })  # fmt: skip
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    total = factor * rows * (rows - 1) // 2
    return sink.getvalue(), (rows, (readers.plain(decimal.Decimal(total).scaleb(-18)),))


def key_of(period, enrollment="0100"):
    return f"usage_details/enrollment={enrollment}/billing_period={period}/data.parquet"


def through(at):
    """A client of the store that goes through the place's proxy and never asks twice: get, put, in the place's own terms."""
    other = type(at)(at.server, at.prefix)
    other.proxy.close()
    other.client = at.server.client(at.proxy.endpoint)
    if at.kind != "s3":
        other.client = other.client.get_container_client(at.bucket)
    return other


def error_of(action):
    """What a client says; None when it succeeds."""
    try:
        action()
    except ERRORS as error:
        return str(error) or type(error).__name__
    return None


def check_readers(verdict, stores, kind):
    with place(stores, kind, f"readers/{kind}") as at:
        wanted = {}
        for period in PERIODS:
            body, wanted["0100", period] = file_of(period)
            at.put(key_of(period), body)
        for name, read in readers.READERS.items():
            verdict.equal(f"{kind}: {name}", read(at, "usage_details", ["cost"]), wanted)
        verdict.equal(f"{kind}: what is listed", sorted(at.data()), [key_of(period) for period in PERIODS])
        verdict.equal(f"{kind}: what is got", at.get(key_of("2024-01")), file_of("2024-01")[0])
        before = at.list()
        body, wanted["0100", "2024-02"] = file_of("2024-02", factor=3)
        at.put(key_of("2024-02"), body)
        after = at.list()
        changed = [key for key in after if after[key].etag != before[key].etag]
        verdict.equal(f"{kind}: ETags tell what was replaced", changed, [key_of("2024-02")])
        for name, read in readers.READERS.items():
            verdict.equal(f"{kind}: {name} after a replacement", read(at, "usage_details", ["cost"]), wanted)
        at.put(key_of("2024-02"), body[:-100])
        for name, read in readers.READERS.items():
            said = []
            with readers.told(said):
                read(at, "usage_details", ["cost"])
            verdict.check(f"{kind}: {name} refuses a file that was cut", said)


def check_proxy(verdict, stores, kind):
    with place(stores, kind, f"proxy/{kind}") as at:
        proxy, client, body = at.proxy, through(at), bytes(range(256)) * 1000
        proxy.play()
        client.put("a b/ü+1", body)
        verdict.equal(f"{kind}: what goes through the proxy is what lies there", at.get("a b/ü+1"), body)
        verdict.equal(f"{kind}: what comes through it", client.get("a b/ü+1"), body)
        verdict.equal(f"{kind}: a listing through it", list(client.list()), ["a b/ü+1"])
        seen = [(request.method, request.status, request.path.endswith("/a b/ü+1")) for request in proxy.asked(path="ü")]
        verdict.equal(f"{kind}: the record", seen, [("PUT", 200 if kind == "s3" else 201, True), ("GET", 206 if kind != "s3" else 200, True)])
        verdict.equal(f"{kind}: bytes in the record", (proxy.asked("PUT")[0].sent >= len(body), proxy.asked("GET")[0].answered), (True, len(body)))

        proxy.play(Rule(internal_error(), "PUT", first=2, times=2), Rule(at.busy(), "GET"))
        said = [error_of(lambda: client.put("n", b"%d" % number)) for number in range(4)]
        verdict.equal(f"{kind}: the second and third PUT fail", [bool(words) for words in said], [False, True, True, False])
        verdict.check(f"{kind}: by their code", "InternalError" in said[1] and "InternalError" in said[2], str(said))
        busy = error_of(lambda: client.get("n")) or ""
        verdict.check(f"{kind}: its own words for busy", ("SlowDown" if kind == "s3" else "ServerBusy") in busy, busy)
        verdict.equal(f"{kind}: the last one that passed stands", at.get("n"), b"3")
        verdict.equal(f"{kind}: what the store heard of", [request.passed for request in proxy.asked("PUT")], [True, False, False, True])

        proxy.play(Rule(LoseRequest(after=70_000), "PUT", path="lost"))
        verdict.check(f"{kind}: a connection that breaks within a request", error_of(lambda: client.put("lost", body)))
        verdict.check(f"{kind}: leaves nothing", "lost" not in at.list())
        verdict.check(f"{kind}: after so many bytes", 70_000 <= proxy.asked("PUT")[0].sent < len(body), str(proxy.asked()))
        proxy.play(Rule(LoseAnswer(), "PUT", path="done"))
        verdict.check(f"{kind}: a connection that breaks before the answer", error_of(lambda: client.put("done", body)))
        verdict.equal(f"{kind}: when the store has done its work", at.get("done"), body)
        proxy.play(Rule(LoseAnswer(after=1000), "GET", path="done"))
        verdict.check(f"{kind}: a connection that breaks within an answer", error_of(lambda: client.get("done")))
        verdict.equal(f"{kind}: has given so many bytes", proxy.asked("GET")[0].answered <= 1000, True)
        proxy.play(Rule(Delay(0.01), "GET", path="done"))
        verdict.equal(f"{kind}: a delay", client.get("done"), body)

        held = Hold()
        proxy.play(Rule(Before(held), "PUT", path="held"))
        asking = threading.Thread(target=client.put, args=("held", b"1"))
        asking.start()
        verdict.check(f"{kind}: a request that is held", held.wait() and "held" not in at.list())
        held.release()
        asking.join()
        verdict.equal(f"{kind}: arrives later", at.get("held"), b"1")
        seen = []
        proxy.play(Rule(After(lambda request: seen.append(at.get("after"))), "PUT", path="after"))
        client.put("after", b"2")
        verdict.equal(f"{kind}: a call after the store's work", seen, [b"2"])


def check_replacement_between_reads(verdict, stores, kind):
    """What a callback is for: an object is another one from the n-th read on."""
    with place(stores, kind, f"between/{kind}") as at:
        at.put("x", b"1" * 100)
        proxy, client = at.proxy, through(at)
        proxy.play(Rule(Before(lambda _: at.put("x", b"2" * 100)), "GET", path="/x$", first=2, times=1))
        got = [client.get("x")[:1] for _ in range(3)]
        verdict.equal(f"{kind}: replaced before the second read", got, [b"1", b"2", b"2"])


def check_uploads(verdict, stores, kind):
    with place(stores, kind, f"uploads/{kind}") as at:
        if kind == "s3":
            upload = at.client.create_multipart_upload(Bucket=at.bucket, Key=at.whole("x"))["UploadId"]
            at.client.upload_part(Bucket=at.bucket, Key=at.whole("x"), UploadId=upload, PartNumber=1, Body=b"1" * MIB)
            verdict.equal("s3: an upload that is neither completed nor aborted", (at.uploads(), list(at.list())), (["x"], []))
            at.client.abort_multipart_upload(Bucket=at.bucket, Key=at.whole("x"), UploadId=upload)
        else:
            at.client.get_blob_client(at.whole("x")).stage_block("MDAw", b"1" * MIB)
            verdict.equal(f"{kind}: blocks that no list has taken", (at.uploads(), list(at.list())), (["x"], []))
            at.put("x", b"1")
            at.client.get_blob_client(at.whole("x")).stage_block("MDAw", b"1" * MIB)
            verdict.equal(f"{kind}: blocks beside a blob", (at.uploads(), at.list()["x"].size), (["x"], 1))
            at.client.get_blob_client(at.whole("x")).commit_block_list([])
        verdict.equal(f"{kind}: no upload is left", at.uploads(), [])


def check_refusals(verdict, stores):
    """The servers refuse what they should: a check against wrong keys would pass against a server that takes any."""
    s3, azure_ = stores
    for what, client in (
        ("another secret", s3.client(secret="x" * 40)),
        ("another key", s3.client(access_key="AKIA" + "X" * 16)),
    ):
        said = error_of(lambda: client.list_objects_v2(Bucket=s3.bucket))
        verdict.check(f"s3: {what} is refused", any(code in (said or "") for code in ("SignatureDoesNotMatch", "InvalidAccessKeyId")), str(said))
    verdict.check("s3: a bucket that is not there", "NoSuchBucket" in (error_of(lambda: s3.client().list_objects_v2(Bucket="nobody")) or ""))
    wrong = azure_.connection_string().replace(azure_.key, "A" * 86 + "==")
    client = servers.azure.storage.blob.BlobServiceClient.from_connection_string(wrong, retry_total=0)
    said = error_of(lambda: list(client.get_container_client(azure_.container).list_blobs()))
    verdict.check("azure: another key is refused", said and "AuthorizationFailure" in said, str(said))
    said = error_of(lambda: list(azure_.client().get_container_client("nobody").list_blobs()))
    verdict.check("azure: a container that is not there", said and "ContainerNotFound" in said, str(said))


def check_command(verdict):
    """servers.py as a command: its environment, its exit code, and nothing left behind."""
    asks = (
        "import os, sys, urllib.request as u\n"
        "sys.exit(41 if os.environ['BILLING_LAKE_TEST_S3'].startswith('s3://') and os.environ['BILLING_LAKE_TEST_AZURE'].startswith('az://') else 1)"
    )
    command = [sys.executable, servers.__file__, "--", sys.executable, "-c", asks]
    verdict.equal("servers.py gives the exit code of its command", subprocess.run(command).returncode, 41)
    done = subprocess.run([*command[:3], "no-such-command"], capture_output=True, text=True)
    verdict.check("servers.py names a command that is not there", done.returncode == 1 and "no-such-command" in done.stderr, done.stderr)


def main():
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # it tells of each failure that is tried here
    verdict = Verdict()
    with servers.both() as stores:
        check_refusals(verdict, stores)
        for kind in PLACES:
            check_readers(verdict, stores, kind)
            check_proxy(verdict, stores, kind)
            check_replacement_between_reads(verdict, stores, kind)
            check_uploads(verdict, stores, kind)
        processes = [stores.s3.process, stores.azure.process]
    verdict.check("both servers have ended", all(process.poll() is not None for process in processes))
    check_command(verdict)
    sys.exit(verdict.end())


if __name__ == "__main__":
    main()
