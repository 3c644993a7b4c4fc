"""Places that are not there, and keys that are not good: the message says which and why, and shows no secret."""

import base64
import concurrent.futures
import secrets
import socket

from bench import truth_of

DENIED = ("denied", "403", "signature", "credential", "authenticat", "authoriz", "permission", "forbidden")
NOT_THERE = ("not exist", "not found", "no such", "NoSuchBucket", "ContainerNotFound", "404")
UNREACHABLE = ("connect", "refused", "sending request")
COMMANDS = ("sync", "status", "verify", "clean")


def check(bench, kind):
    with bench.service(months=1, rows_per_month=500) as service, bench.place(kind, "refused") as at:
        bench.succeeds(f"{at}, before the refusals", bench.program.sync(at, service), "ok")
        before = at.list()
        cases = [*wrong_keys(bench, at), *wrong_places(at), *no_server(at)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            begun = [pool.submit(refused, bench, service, at, command, *case) for case in cases for command in COMMANDS]
            begun += [pool.submit(no_place, bench, service, at, url) for url in no_urls(at)]
            if kind != "abfss":  # without its variables an emulator's account is one in the internet
                begun += [pool.submit(no_keys, bench, service, at)]
            for done in begun:
                done.result()
        bench.verdict.check(f"{at}: nothing has changed", at.list() == before)
        bench.verdict.equal(f"{at}: nothing was made elsewhere", containers(at), {at.bucket} | containers(at) - {"nobody-was-here"})
        talkative(bench, service, at)
        in_objects(bench, service, at)


def wrong_keys(bench, at):
    """(what, URL, environment, words)"""
    secret = secrets.token_urlsafe(30) if at.kind == "s3" else base64.b64encode(secrets.token_bytes(64)).decode()
    bench.secrets.add(secret)
    good = at.environment()
    if at.kind == "s3":
        yield "another secret", at.url, good | {"AWS_SECRET_ACCESS_KEY": secret}, DENIED
        yield "an unknown key", at.url, good | {"AWS_ACCESS_KEY_ID": "AKIA" + "Q" * 16}, (*DENIED, "InvalidAccessKeyId")
    else:
        yield "another account key", at.url, good | {"AZURE_STORAGE_ACCOUNT_KEY": secret}, DENIED


def wrong_places(at):
    yield "no such bucket", at.url.replace(at.bucket, "nobody-was-here"), at.environment(), NOT_THERE


def no_server(at):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"http://127.0.0.1:{taken.getsockname()[1]}"
    yield "no server", at.url, at.server.environment(free), UNREACHABLE


def arguments(command, service, url):
    more = ["--endpoint", service.endpoint, "--enrollment", "100", "--datasets", "usage_details"] if command == "sync" else []
    return [command, "--format", "json", "--dest", url, *more]


def refused(bench, service, at, command, what, url, environment, words):
    run = bench.program.begin(arguments(command, service, url), environment, service.key).end()
    said, told = (run.stderr + run.stdout).lower(), f"{at}, {what}: {command}"
    bench.verdict.check(f"{told}: exit code 6", run.code == 6, run.said())
    bench.verdict.check(f"{told}: says what is wrong", any(word.lower() in said for word in words), run.said())
    named = "nobody-was-here" if "nobody-was-here" in url else at.bucket
    bench.verdict.check(f"{told}: names the place", named in said, run.said())
    bench.verdict.check(f"{told}: no panic", "panicked" not in said, run.said())


def no_urls(at):
    if at.kind == "s3":
        return ["s3://", "s3:///prefix", "s3://bucket/../other", "s4://bucket/x", "s3://key:secret@bucket/x", "s3://bucket/x?versionId=1"]
    return ["az://", "az:///prefix", "abfss://@account.dfs.core.windows.net/x", "abfss://container@/x"]


def no_place(bench, service, at, url):
    """URLs that name nothing, or too much, are refused before anything is asked."""
    run = bench.program.begin(arguments("sync", service, url), at.environment(), service.key).end()
    bench.verdict.check(f"{at}: {url} is refused with exit code 2", run.code == 2 and run.stderr.strip(), run.said())


def no_keys(bench, service, at):
    """No key at all: a message, and no endless search for one. (A machine in the cloud has an address to ask for one.)"""
    names = ("AWS_ENDPOINT", "AWS_REGION", "AWS_ALLOW_HTTP", "AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_ALLOW_HTTP")
    environment = {name: value for name, value in at.environment().items() if name in names}
    environment["AWS_METADATA_ENDPOINT"] = environment["IDENTITY_ENDPOINT"] = "http://127.0.0.1:9"
    run = bench.program.begin(arguments("sync", service, at.url), environment, service.key).end()
    bench.verdict.check(f"{at}, no key at all: exit code 2 or 6, and a message", run.code in (2, 6) and run.stderr.strip(), run.said())
    print(f"  {at}, no key at all: {run.said()[:300]}")


def containers(at):
    if at.kind == "s3":
        return {bucket["Name"] for bucket in at.client.list_buckets()["Buckets"]}
    return {container["name"] for container in at.server.client().list_containers()}


def talkative(bench, service, at):
    """The most that the program can be made to say, of a run that works; it is searched for secrets with all others."""
    truth, told = truth_of(service), f"{at}, -v -v"
    run = bench.program.begin([*arguments("sync", service, at.url), "-v", "-v", "--force"], at.environment(), service.key).end()
    bench.succeeds(told, run)
    bench.verdict.check(f"{told}: it talks", len(run.stderr) > 200, run.stderr)
    signed = [words for words in ("AWS4-HMAC-SHA256", "SharedKey ", "Signature=") if words in run.stderr]
    bench.verdict.equal(f"{told}: signatures that are shown", signed, [])
    bench.reads(told, at, truth)


def in_objects(bench, service, at):
    """Reports, notes and footers are read by others, too."""
    holders = [key for key in at.list() if any(secret.encode() in at.get(key) for secret in bench.secrets)]
    bench.verdict.check(f"{at}: objects are looked at", len(at.list()) > 2)
    bench.verdict.equal(f"{at}: objects that hold a secret", holders, [])
