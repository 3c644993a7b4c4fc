"""Two stores on this machine: moto plays S3 with signatures checked, Azurite plays Azure Blob Storage in memory.

    servers.py [--] COMMAND [ARGUMENTS...]

Starts both on free ports of 127.0.0.1, sets what the crate object_store reads from the environment, and
BILLING_LAKE_TEST_S3 (s3://bucket) and BILLING_LAKE_TEST_AZURE (az://container); runs COMMAND, stops both, and ends with
COMMAND's exit code. Other scripts use it as `with servers.both() as stores`.

Python is that of target/stores-env, Azurite lies beside it in target/stores-node; tests/run makes both.
"""

import collections
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading

import azure.storage.blob
import boto3
import botocore.config

HOST = "127.0.0.1"
REGION = "us-east-1"
START = 60  # seconds that a server may take to say where it listens
ATTEMPTS = 4  # of clients that ask a server itself: it may have closed a connection that was long idle
NODE = pathlib.Path(sys.prefix).parent / "stores-node"
# Azurite's own account; its key is printed in its manual.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """What was started here ends with this process, in whatever way that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Server:
    """A server as a process, from its start until `stop`; `endpoint` is where it listens."""

    def __init__(self, name, command, listens, environment=()):
        self.name, self.listens = name, re.compile(listens)
        self.said, self.endpoint, self.up = collections.deque(maxlen=40), None, threading.Event()
        self.process = subprocess.Popen(
            command, cwd=tempfile.gettempdir(), env={**os.environ, **dict(environment)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()
        self.up.wait(START)
        if not self.endpoint:
            said = "".join(self.said)
            self.stop()
            raise SystemExit(f"{name} did not start: {' '.join(map(str, command))}\n{said}")

    def _listen(self):
        """Reads all that the server says, so that it never waits for a reader."""
        for line in self.process.stdout:
            self.said.append(line)
            if found := not self.endpoint and self.listens.search(line):
                self.endpoint = found.group(1)
                self.up.set()
        self.up.set()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class S3(Server):
    """moto, where one pair of keys may do everything with buckets and all others are answered 403."""

    def __init__(self, bucket="billing-lake-tests"):
        # So many calls are taken unsigned: the three that make the pair.
        super().__init__(
            "moto", [sys.executable, "-m", "moto.server", "-H", HOST, "-p", "0"], rf"Running on (http://{HOST}:\d+)",
            {"INITIAL_NO_AUTH_ACTION_COUNT": "3"},
        )  # fmt: skip
        try:
            iam = self._client("iam", "nobody", "nothing")
            iam.create_user(UserName="lake")
            iam.put_user_policy(UserName="lake", PolicyName="lake", PolicyDocument=ANYTHING)
            pair = iam.create_access_key(UserName="lake")["AccessKey"]
            self.access_key, self.secret = pair["AccessKeyId"], pair["SecretAccessKey"]
            self.bucket = self.create(bucket)
        except BaseException:
            self.stop()
            raise

    def _client(self, service, access_key, secret, endpoint=None):
        attempts = ATTEMPTS if endpoint is None else 1
        config = botocore.config.Config(
            s3={"addressing_style": "path"}, signature_version="s3v4" if service == "s3" else None, proxies={},
            retries={"total_max_attempts": attempts}, max_pool_connections=32,
        )  # fmt: skip
        return boto3.session.Session().client(
            service, endpoint_url=endpoint or self.endpoint, region_name=REGION, config=config,
            aws_access_key_id=access_key, aws_secret_access_key=secret,
        )  # fmt: skip

    def client(self, endpoint=None, access_key=None, secret=None):
        """A client of boto3; through a proxy when its endpoint is given: such a one never asks twice."""
        return self._client("s3", access_key or self.access_key, secret or self.secret, endpoint)

    def create(self, bucket):
        self.client().create_bucket(Bucket=bucket)
        return bucket

    def environment(self, endpoint=None):
        """What object_store reads."""
        return {
            "AWS_ENDPOINT": endpoint or self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": REGION,
        }


class Azure(Server):
    """Azurite with its own account."""

    def __init__(self, container="billing-lake-tests"):
        program = NODE / "node_modules/.bin/azurite-blob"
        if not program.exists():
            raise SystemExit(f"Azurite is not there: {program}. tests/run installs it; by hand: tests/stores/README.md")
        # Clients newer than Azurite are answered 400 without --skipApiVersionCheck.
        where = ["--blobHost", HOST, "--blobPort", "0", "--blobKeepAliveTimeout", "300"]
        super().__init__(
            "azurite", [program, "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent", *where],
            rf"successfully listens on (http://{HOST}:\d+)",
        )  # fmt: skip
        self.account, self.key = ACCOUNT, ACCOUNT_KEY
        try:
            self.container = self.create(container)
        except BaseException:
            self.stop()
            raise

    def connection_string(self, endpoint=None):
        return f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};BlobEndpoint={endpoint or self.endpoint}/{self.account};"

    def client(self, endpoint=None):
        """A client of azure-storage-blob; through a proxy when its endpoint is given: such a one never asks twice."""
        retries = azure.storage.blob.LinearRetry(backoff=1, retry_total=ATTEMPTS - 1 if endpoint is None else 0)
        return azure.storage.blob.BlobServiceClient.from_connection_string(self.connection_string(endpoint), retry_policy=retries)

    def create(self, container):
        self.client().create_container(container)
        return container

    def environment(self, endpoint=None):
        """What object_store reads for an account whose address and key are named."""
        return {
            "AZURE_STORAGE_ENDPOINT": f"{endpoint or self.endpoint}/{self.account}",
            "AZURE_STORAGE_ACCOUNT_NAME": self.account,
            "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "AZURE_ALLOW_HTTP": "true",
        }

    def emulator_environment(self, endpoint=None):
        """What object_store reads when it is told that this is Azurite: it knows account and key itself."""
        return {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": endpoint or self.endpoint}


Stores = collections.namedtuple("Stores", "s3 azure")


def without_stores(environment):
    """An environment in which nothing says where a store is or who asks; clients go to this machine without a proxy."""
    stores = ("AWS_", "AZURE_", "AZURITE_")
    return {name: value for name, value in environment.items() if not name.startswith(stores)} | {"NO_PROXY": HOST, "no_proxy": HOST}


@contextlib.contextmanager
def both():
    """The two servers, stopped however the block ends. Nothing in this process's environment names a store any more."""
    kept = dict(os.environ)
    os.environ.update(cleaned := without_stores(kept))
    for name in kept.keys() - cleaned.keys():
        del os.environ[name]
    with contextlib.ExitStack() as started:
        s3 = S3()
        started.callback(s3.stop)
        azure = Azure()
        started.callback(azure.stop)
        yield Stores(s3, azure)


def end_by_signal(number, _):
    sys.exit(128 + number)


def run(stores, command):
    """Runs a command with both stores in its environment; its exit code."""
    environment = {
        **os.environ,
        **stores.s3.environment(),
        **stores.azure.environment(),
        "BILLING_LAKE_TEST_S3": f"s3://{stores.s3.bucket}",
        "BILLING_LAKE_TEST_AZURE": f"az://{stores.azure.container}",
    }
    try:
        process = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent)
    except OSError as error:
        raise SystemExit(f"servers.py: {command[0]}: {error.strerror}") from None
    # A terminal's ^C comes to the command by itself; it is the command's to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.send_signal(number))
    code = process.wait()
    return code if code >= 0 else 128 - code


def main():
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        del command[0]
    if not command:
        sys.exit(__doc__)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    with both() as stores:
        code = run(stores, command)
    sys.exit(code)


if __name__ == "__main__":
    main()
