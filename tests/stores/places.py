"""Where a lake lies on a store: its URL, what the program needs to find it, and the store as its own client sees it.

Nothing here is shared with the program: boto3 and azure-storage-blob list, read and change objects, past the proxy.
A `Place` knows too which requests are which on its store, for the rules of `faulty`.
"""

import dataclasses
import datetime

import azure.core.exceptions
import azure.storage.blob

import faulty

OWN = "_billing_lake/"


@dataclasses.dataclass(frozen=True)
class Object:
    """An object as it is listed."""

    size: int
    etag: str
    changed: datetime.datetime


class Place:
    """A lake below a prefix of its own; keys are relative to it. All requests of the program go through `proxy`."""

    kind = url = None
    secrets = ()

    def __init__(self, server, prefix):
        self.server, self.prefix, self.proxy = server, prefix, faulty.Proxy(server.endpoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.close()

    def __str__(self):
        return self.kind

    def beside(self):
        """The same place by another way, with a proxy of its own: for a second run at the same time."""
        other = type(self)(self.server, self.prefix, self.bucket)
        other.url = self.url
        return other

    def whole(self, key):
        return f"{self.prefix}/{key}" if self.prefix else key

    def below(self, name):
        return name[len(self.prefix) + 1 :] if self.prefix else name

    def data(self):
        """The objects outside of the tool's own folder: what readers can meet."""
        return {key: found for key, found in self.list().items() if not key.startswith(OWN)}

    def own(self, folder=""):
        """The objects of the tool's own folder."""
        return self.list(OWN + folder)


class S3Place(Place):
    """`s3://bucket/prefix`"""

    kind = "s3"
    # What the requests of a writer look like: whole objects, parts, and the calls around them.
    PUT = {"method": "PUT", "query": r"^$"}
    BEGIN = {"method": "POST", "query": r"(^|&)uploads"}
    PART = {"method": "PUT", "query": r"(^|&)partNumber="}
    COMPLETE = {"method": "POST", "query": r"(^|&)uploadId="}
    ABORT = {"method": "DELETE", "query": r"(^|&)uploadId="}
    LIST = {"method": "GET", "query": r"(^|&)list-type=2"}
    NEXT_PAGE = {"method": "GET", "query": r"(^|&)continuation-token="}
    busy = staticmethod(faulty.slow_down)

    def __init__(self, server, prefix, bucket=None):
        super().__init__(server, prefix)
        self.bucket, self.client, self.secrets = bucket or server.bucket, server.client(), (server.secret,)
        self.url = f"s3://{self.bucket}/{prefix}".rstrip("/")

    def environment(self):
        return self.server.environment(self.proxy.endpoint)

    def list(self, below=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.whole(below))
        found = [entry for page in pages for entry in page.get("Contents", [])]
        return {self.below(entry["Key"]): Object(entry["Size"], entry["ETag"], entry["LastModified"]) for entry in found}

    def get(self, key):
        return self.client.get_object(Bucket=self.bucket, Key=self.whole(key))["Body"].read()

    def put(self, key, body):
        self.client.put_object(Bucket=self.bucket, Key=self.whole(key), Body=body)

    def copy(self, source, key, whence=None):
        """Within the store, from this place or another one."""
        whence = whence or self
        self.client.copy_object(Bucket=self.bucket, Key=self.whole(key), CopySource={"Bucket": whence.bucket, "Key": whence.whole(source)})

    def delete(self, key):
        self.client.delete_object(Bucket=self.bucket, Key=self.whole(key))

    def uploads(self, with_parts=False):
        """Keys of uploads that are neither completed nor aborted, once for each upload; only of those that have parts."""
        return sorted(self.below(upload["Key"]) for upload in self._uploads() if not with_parts or self._has_parts(upload))

    def upload_ids(self):
        return sorted(upload["UploadId"] for upload in self._uploads())

    def _uploads(self):
        return self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.whole("")).get("Uploads", [])

    def _has_parts(self, upload):
        return bool(self.client.list_parts(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts"))


class BlobPlace(Place):
    """`az://container/prefix`"""

    kind = "az"
    PUT = {"method": "PUT", "query": r"^$"}
    PART = {"method": "PUT", "query": r"(^|&)comp=block(&|$)"}
    COMPLETE = {"method": "PUT", "query": r"(^|&)comp=blocklist(&|$)"}
    LIST = {"method": "GET", "query": r"(^|&)comp=list(&|$)"}
    NEXT_PAGE = {"method": "GET", "query": r"(^|&)comp=list(&.*)?&marker=|^marker=[^&]"}
    busy = staticmethod(faulty.server_busy)

    def __init__(self, server, prefix, container=None):
        super().__init__(server, prefix)
        self.bucket, self.secrets = container or server.container, (server.key,)
        self.client = server.client().get_container_client(self.bucket)
        self.url = f"az://{self.bucket}/{prefix}".rstrip("/")

    def environment(self):
        return self.server.environment(self.proxy.endpoint)

    def list(self, below="", uncommitted=False):
        found = self.client.list_blobs(name_starts_with=self.whole(below), include=["uncommittedblobs"] if uncommitted else None)
        return {self.below(blob.name): Object(blob.size, blob.etag, blob.last_modified) for blob in found}

    def get(self, key):
        return self.client.download_blob(self.whole(key)).readall()

    def put(self, key, body):
        self.client.upload_blob(self.whole(key), body, overwrite=True)

    def copy(self, source, key, whence=None):
        """Within the store, from this place or another one."""
        whence = whence or self
        to = self.client.get_blob_client(self.whole(key))
        if to.start_copy_from_url(whence.client.get_blob_client(whence.whole(source)).url)["copy_status"] != "success":
            raise OSError(f"{source} was not copied")

    def delete(self, key):
        self.client.delete_blob(self.whole(key))

    def uploads(self, with_parts=True):
        """Keys of blobs with blocks that no list of blocks has taken. (There is no upload without blocks.)"""
        return sorted(key for key in self.list(uncommitted=True) if self._uncommitted(key))

    def _uncommitted(self, key):
        try:
            return self.client.get_blob_client(self.whole(key)).get_block_list("uncommitted")[1]
        except azure.core.exceptions.ResourceNotFoundError:
            return []


class AbfssPlace(BlobPlace):
    """`abfss://container@account.dfs.core.windows.net/prefix`, as who uses Spark writes it; found as an emulator."""

    kind = "abfss"

    def __init__(self, server, prefix, container=None):
        super().__init__(server, prefix, container)
        self.url = f"abfss://{self.bucket}@{server.account}.dfs.core.windows.net/{prefix}".rstrip("/")

    def environment(self):
        return self.server.emulator_environment(self.proxy.endpoint)


PLACES = {place.kind: place for place in (S3Place, BlobPlace, AbfssPlace)}


def place(stores, kind, prefix, bucket=None):
    """A place of that kind; nothing lies there yet."""
    return PLACES[kind](stores.s3 if kind == "s3" else stores.azure, prefix, bucket)
