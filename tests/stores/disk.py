"""A lake in a folder, with the face of a place on a store: the same checks run on both."""

import hashlib
import pathlib
import shutil
import tempfile

from places import OWN, Object


class DiskPlace:
    """Keys are paths below the folder; there is no proxy, and nothing is needed to find it."""

    kind, bucket, secrets, server = "disk", "", (), None

    def __init__(self, prefix):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="billing-lake-disk-"))
        self.prefix = str(self.root / prefix).lstrip("/")
        self.url = "/" + self.prefix

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    def __str__(self):
        return self.kind

    def beside(self):
        """The same folder; only what made it removes it."""
        other = DiskPlace.__new__(DiskPlace)
        other.root, other.prefix, other.url = self.root / "nothing", self.prefix, self.url
        return other

    def whole(self, key):
        return f"{self.prefix}/{key}"

    def environment(self):
        return {}

    def path(self, key=""):
        return pathlib.Path(self.url) / key

    def list(self, below=""):
        found = {}
        for file in sorted(self.path().rglob("*")):
            key = file.relative_to(self.path()).as_posix()
            if file.is_file() and key.startswith(below):
                found[key] = Object(file.stat().st_size, hashlib.md5(file.read_bytes()).hexdigest(), None)
        return found

    def data(self):
        return {key: found for key, found in self.list().items() if not key.startswith(OWN)}

    def own(self, folder=""):
        return self.list(OWN + folder)

    def get(self, key):
        return self.path(key).read_bytes()

    def put(self, key, body):
        self.path(key).parent.mkdir(parents=True, exist_ok=True)
        self.path(key).write_bytes(body)

    def delete(self, key):
        self.path(key).unlink()

    def uploads(self):
        return []
