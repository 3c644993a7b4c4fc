"""A proxy in front of a store that writes down every request and plays faults by rule.

    with Proxy(stores.s3.endpoint) as proxy:
        proxy.play(Rule(slow_down(), method="PUT", path=r"data\\.parquet$", times=5))
        … clients ask proxy.endpoint …
        proxy.asked(method="PUT")

Requests and answers pass byte by byte, the Host header too, so that signatures hold. Each request has a connection of its
own to the store; the client's connection stays open as long as both sides want. The first rule that fits a request
decides; one without `times` goes on for ever.
"""

import dataclasses
import re
import select
import socket
import struct
import threading
import time
import urllib.parse

WAIT = 300  # seconds that anything here waits at most
PIECE = 1 << 16
KEPT = ("range", "x-ms-range", "if-match", "if-none-match", "x-ms-version", "user-agent")


# --- what can happen to a request -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Answer:
    """An answer in the place of the store's, which hears nothing of the request."""

    status: int
    code: str
    message: str
    headers: tuple = ()

    def bytes(self, method):
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>'.encode()
        lines = [f"HTTP/1.1 {self.status} {self.code}", "Content-Type: application/xml", f"Content-Length: {len(body)}", f"x-ms-error-code: {self.code}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body)


def internal_error():
    return Answer(500, "InternalError", "We encountered an internal error. Please try again.")


def slow_down():
    """What S3 says to a client that asks too often."""
    return Answer(503, "SlowDown", "Please reduce your request rate.")


def server_busy():
    """What Azure says to it."""
    return Answer(503, "ServerBusy", "The server is busy.")


@dataclasses.dataclass
class LoseRequest:
    """The connection breaks after so many bytes of the request's body; the store hears nothing of it."""

    after: int = 0


@dataclasses.dataclass
class LoseAnswer:
    """The store has done what was asked, but the connection breaks after so many bytes of the answer's body;
    None: before the first byte of its head."""

    after: int | None = None


@dataclasses.dataclass
class Delay:
    """The request is passed on later."""

    seconds: float


@dataclasses.dataclass
class Before:
    """A function is called with the request before it is passed on. What it returns, if anything, happens to it then."""

    call: object


@dataclasses.dataclass
class After:
    """A function is called with the request after the store has done it, before the client has its answer."""

    call: object


class Hold:
    """For `Before` and `After`: the request stands still from `reached` on until `release`."""

    def __init__(self):
        self.reached, self.over = threading.Event(), threading.Event()

    def __call__(self, _):
        self.reached.set()
        self.over.wait(WAIT)

    def wait(self, ended=None):
        """Whether a request has come here, before `ended` was set."""
        until = time.monotonic() + WAIT
        while not self.reached.wait(0.02):
            if time.monotonic() > until or (ended and ended.is_set()):
                return self.reached.is_set()
        return True

    def release(self):
        self.over.set()


# --- which requests ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Request:
    """A request as it was written down. `status` and `answered` come later; they stay None and 0 when there was no answer."""

    number: int
    method: str
    path: str  # decoded
    query: str  # as sent
    headers: dict
    sent: int = 0  # bytes of the body that came
    status: int | None = None
    answered: int = 0  # bytes of the answer's body
    passed: bool = False  # whether the store heard of it
    fault: str = ""

    def fits(self, method=None, path=None, query=None):
        """`method` is a name or several; `path` and `query` are regular expressions that are searched for."""
        methods = (method,) if isinstance(method, str) else method
        right = not methods or self.method in methods
        return right and (path is None or re.search(path, self.path)) and (query is None or re.search(query, self.query))


class Rule:
    """From the `first` request that fits on (counted from 1), `times` times or for ever."""

    def __init__(self, then, method=None, path=None, query=None, first=1, times=None):
        self.then, self.wanted, self.first, self.times = then, (method, path, query), first, times
        self.fitting = self.played = 0

    def meets(self, request):
        if not request.fits(*self.wanted):
            return False
        self.fitting += 1
        if self.fitting < self.first or (self.times is not None and self.played >= self.times):
            return False
        self.played += 1
        return True


# --- the proxy --------------------------------------------------------------------------------------------------------


class Gone(Exception):
    """The other side has closed its connection."""


class Proxy:
    """Listens on a free port of this machine until `close`."""

    def __init__(self, store):
        address = urllib.parse.urlsplit(store)
        self.store = (address.hostname, address.port)
        self.lock, self.requests, self.rules, self.clients, self.closed = threading.Condition(), [], [], set(), False
        self.under_way = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closed = True
        with self.lock:
            clients = list(self.clients)
        for one in [self.listener, *clients]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()

    def play(self, *rules):
        """These rules in the place of those before, and a new record; the rules, so that their counts can be seen."""
        with self.lock:
            self.rules, self.requests = list(rules), []
        return rules

    def asked(self, method=None, path=None, query=None):
        """The requests since the last `play` that fit, in the order in which they came."""
        with self.lock:
            return [request for request in self.requests if request.fits(method, path, query)]

    def quiet(self):
        """Waits until no request is under way: what a process asked before it died has been done, or never will be."""
        with self.lock:
            return self.lock.wait_for(lambda: self.under_way == 0, WAIT)

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with self.lock:
            self.clients.add(client)
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client.makefile("rb") as read:
                while self._one(client, read):
                    pass
        except (OSError, Gone):
            pass
        finally:
            with self.lock:
                self.clients.discard(client)
            client.close()

    def _one(self, client, read):
        """Passes one request on; whether there may be another on this connection."""
        head = read_head(read)
        with self.lock:
            self.under_way += 1
        try:
            return self._play(client, read, head)
        finally:
            with self.lock:
                self.under_way -= 1
                self.lock.notify_all()

    def _play(self, client, read, head):
        """What the rules say of it."""
        method, target, _ = head[0].split(" ", 2)
        headers = named(head)
        path, _, query = target.partition("?")
        with self.lock:
            kept = {name: headers[name] for name in KEPT if name in headers}
            request = Request(len(self.requests) + 1, method, urllib.parse.unquote(path), query, kept)
            self.requests.append(request)
            fault = next((rule.then for rule in self.rules if rule.meets(request)), None)
        request.fault = type(fault).__name__ if fault else ""
        if headers.get("expect", "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = [line for line in head if not line.lower().startswith("expect:")]
        body = bytearray()
        for piece in body_of(read, headers, none=not framed(headers)):
            body += piece
            request.sent = len(body)
            if isinstance(fault, LoseRequest) and len(body) >= fault.after:
                break
        if isinstance(fault, Before):
            fault = fault.call(request)
            if is_gone(client):
                raise Gone
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        if isinstance(fault, LoseRequest):
            return reset(client)
        if isinstance(fault, Answer):
            request.status = fault.status
            client.sendall(fault.bytes(method))
            return headers.get("connection", "").lower() != "close"
        return self._pass(client, request, fault, head, headers, body)

    def _pass(self, client, request, fault, head, headers, body):
        with socket.create_connection(self.store, timeout=WAIT) as store:
            store.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            store.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
            request.passed = True
            store.sendall(body)
            read = store.makefile("rb")
            answer = read_head(read)
            while answer[0].split(" ", 2)[1].startswith("1"):
                answer = read_head(read)
            request.status = int(answer[0].split(" ", 2)[1])
            told = named(answer)
            none = request.method == "HEAD" or request.status in (204, 304)
            pieces = body_of(read, told, none)
            if isinstance(fault, After):
                pieces = list(pieces)
                fault.call(request)
            if isinstance(fault, LoseAnswer) and fault.after is None:
                for _ in pieces:
                    pass
                return reset(client)
            client.sendall("\r\n".join(answer).encode("latin-1") + b"\r\n\r\n")
            for piece in pieces:
                if isinstance(fault, LoseAnswer) and request.answered + len(piece) > fault.after:
                    client.sendall(piece[: fault.after - request.answered])
                    return reset(client)
                client.sendall(piece)
                request.answered += len(piece)
        both = (headers.get("connection", "").lower(), told.get("connection", "").lower())
        return "close" not in both and (none or framed(told))


# --- HTTP on the wire -------------------------------------------------------------------------------------------------


def read_head(read):
    """The lines of a head, without their ends."""
    lines = []
    while True:
        line = read.readline(1 << 16)
        if not line.endswith(b"\n"):
            raise Gone
        line = line.rstrip(b"\r\n").decode("latin-1")
        if line:
            lines.append(line)
        elif lines:
            return lines


def named(head):
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}


def framed(headers):
    """Whether the end of the body is told."""
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


def body_of(read, headers, none=False):
    """The body as it stands on the wire, in pieces; without a length it ends with the connection."""
    if none:
        return
    if "chunked" in headers.get("transfer-encoding", "").lower():
        yield from chunks(read)
    elif "content-length" in headers:
        left = int(headers["content-length"])
        while left:
            piece = read.read1(min(PIECE, left))
            if not piece:
                raise Gone
            left -= len(piece)
            yield piece
    else:
        while piece := read.read1(PIECE):
            yield piece


def chunks(read):
    """Chunks with their lengths, and the lines behind the last one."""
    while True:
        line = read.readline(1 << 10)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            trailer = b""
            while (more := read.readline(1 << 16)).strip():
                trailer += more
            yield line + trailer + more
            return
        body = read.read(size + 2)
        if len(body) != size + 2:
            raise Gone
        yield line + body


def is_gone(client):
    """Whether a client that waits for its answer has closed the connection."""
    readable, _, _ = select.select([client], [], [], 0)
    try:
        return bool(readable) and not client.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def reset(client):
    """Breaks the connection as a network does: without a goodbye."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False
