"""Runs a program and decides on each of its system calls that change or open files: let it be, fail it, or kill there.

The kernel asks (seccomp's user notifications, Linux 5.5 or later, no privilege needed), so the calls of all threads come
in one order and are counted together; `strace -e inject=…:when=N` counts for each thread by itself and so cannot reach
every call of a program with several. A call that is answered with KILL never happens: the process dies in front of it.

    finished = supervise(["program", "argument"], decide)      # decide(call) -> CONTINUE | KILL | fail("ENOSPC")

Run as a program it is the launcher that puts itself under supervision and becomes the program.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import threading

# The calls that are asked about, by their numbers on each machine. Those in the last group open and lock.
X86_64 = {
    "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "ftruncate": 77, "truncate": 76, "fallocate": 285,
    "copy_file_range": 326, "sendfile": 40, "fsync": 74, "fdatasync": 75, "sync_file_range": 277,
    "rename": 82, "renameat": 264, "renameat2": 316, "link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266,
    "mkdir": 83, "mkdirat": 258, "unlink": 87, "unlinkat": 263, "rmdir": 84,
    "open": 2, "creat": 85, "openat": 257, "flock": 73,
}  # fmt: skip
AARCH64 = {
    "write": 64, "pwrite64": 68, "writev": 66, "pwritev": 70, "ftruncate": 46, "truncate": 45, "fallocate": 47,
    "copy_file_range": 285, "sendfile": 71, "fsync": 82, "fdatasync": 83, "sync_file_range": 84,
    "renameat": 38, "renameat2": 276, "linkat": 37, "symlinkat": 36, "mkdirat": 34, "unlinkat": 35, "openat": 56,
    "flock": 32,
}  # fmt: skip
MACHINES = {"x86_64": (X86_64, 317, 0xC000003E), "aarch64": (AARCH64, 277, 0xC00000B7)}

# Where a call names its file: arguments that are descriptors, paths, or a folder's descriptor and a path.
DESCRIPTOR = {
    name: (0,)
    for name in ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate", "fsync", "fdatasync", "flock")
} | {"sync_file_range": (0,), "copy_file_range": (2,), "sendfile": (0,)}
PATH = {name: (0,) for name in ("truncate", "mkdir", "unlink", "rmdir", "open", "creat")}
PATH |= {"rename": (0, 1), "link": (0, 1), "symlink": (1,)}
AT = {"mkdirat": (0,), "unlinkat": (0,), "openat": (0,), "renameat": (0, 2), "renameat2": (0, 2), "linkat": (0, 2), "symlinkat": (1,)}

O_CREAT, O_TRUNC, AT_FDCWD = os.O_CREAT, os.O_TRUNC, -100
RECEIVE, SEND = 0xC0502100, 0xC0182101
NOTIFICATION, ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
CONTINUE, KILL = ("continue", 0), ("kill", 0)


def fail(name):
    """The call is not made and returns this error."""
    return ("fail", getattr(errno, name))


class Call:
    """A system call that is about to be made."""

    def __init__(self, name, arguments, thread):
        self.name, self.arguments, self.thread = name, arguments, thread
        self.flags = arguments[2] if name == "openat" else arguments[1] if name == "open" else 0
        self.paths = self._paths()

    def creates(self):
        return self.name == "creat" or bool(self.flags & (O_CREAT | O_TRUNC))

    def _paths(self):
        if self.name in DESCRIPTOR:
            return [self._link(f"fd/{descriptor(self.arguments[place])}") for place in DESCRIPTOR[self.name]]
        if self.name in PATH:
            return [os.path.normpath(os.path.join(self._link("cwd"), self._text(place))) for place in PATH[self.name]]
        paths = []
        for place in AT[self.name]:
            folder = descriptor(self.arguments[place])
            above = self._link("cwd" if folder == AT_FDCWD else f"fd/{folder}")
            paths.append(os.path.normpath(os.path.join(above, self._text(place + 1))))
        return paths

    def _link(self, name):
        try:
            return os.readlink(f"/proc/{self.thread}/{name}")
        except OSError:
            return ""

    def _text(self, place):
        """A path in the memory of the program, which ends somewhere in its page."""
        at = self.arguments[place]
        try:
            with open(f"/proc/{self.thread}/mem", "rb", buffering=0) as memory:
                text = b""
                while b"\0" not in text and len(text) < 4096:
                    memory.seek(at + len(text))
                    piece = memory.read(4096 - (at + len(text)) % 4096)
                    if not piece:
                        break
                    text += piece
        except (OSError, ValueError, OverflowError):
            return ""
        return os.fsdecode(text.split(b"\0")[0])


def descriptor(argument):
    """The kernel takes the low 32 bits, with a sign."""
    return ctypes.c_int32(argument & 0xFFFFFFFF).value


class Finished:
    def __init__(self, code, stdout, stderr, killed_at):
        self.code, self.stdout, self.stderr, self.killed_at = code, stdout, stderr, killed_at


def supervise(command, decide, environment=None, timeout=120, started=None):
    """Runs the command to its end. `decide` is called for one call at a time; `started` gets the process once it runs."""
    ours, theirs = socket.socketpair()
    launcher = [sys.executable, "-I", "-S", os.path.abspath(__file__), str(theirs.fileno()), *command]
    with ours, theirs:
        process = subprocess.Popen(
            launcher, env=environment, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        theirs.close()
        ours.settimeout(timeout)
        message, handles, _, _ = socket.recv_fds(ours, 64, 1)
        if not handles:
            _, said = process.communicate()
            raise SystemExit(f"system calls cannot be supervised here: {message.decode() or said}")
    state = {"killed_at": None, "problem": None}
    watch = threading.Thread(target=_answer, args=(handles[0], process, decide, state), daemon=True)
    watch.start()
    if started:
        started(process)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        stderr += f"\n(killed: it did not end within {timeout} s)"
    watch.join()
    if state["problem"]:
        raise state["problem"]
    return Finished(process.returncode, stdout, stderr, state["killed_at"])


def _answer(handle, process, decide, state):
    names = {number: name for name, number in MACHINES[platform.machine()][0].items()}
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    try:
        while True:
            ready = poll.poll(200)
            if not ready:
                if process.returncode is not None:
                    return
                continue
            if ready[0][1] & select.POLLIN == 0:
                return  # nobody is left who could ask
            request = bytearray(NOTIFICATION.size)
            try:
                fcntl.ioctl(handle, RECEIVE, request)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):
                    continue
                raise
            number, thread, _, call, _, _, *arguments = NOTIFICATION.unpack(request)
            call = Call(names[call], arguments, thread)
            what, error = CONTINUE if state["killed_at"] or state["problem"] else _decide(decide, call, state)
            if what == "kill":
                state["killed_at"] = call
                process.send_signal(signal.SIGKILL)
                continue
            answer = ANSWER.pack(number, 0, 0, 1) if what == "continue" else ANSWER.pack(number, 0, -error, 0)
            try:
                fcntl.ioctl(handle, SEND, bytearray(answer))
            except OSError as error:
                if error.errno != errno.ENOENT:  # it died while it asked
                    raise
    except OSError as error:
        state["problem"] = error
        process.kill()
    finally:
        os.close(handle)


def _decide(decide, call, state):
    try:
        return decide(call)
    except Exception as error:  # told by supervise(); the program must not wait for an answer for ever
        state["problem"] = error
        return CONTINUE


def launch(channel, command):
    """Puts this process under supervision, sends the handle for it, and becomes the command."""
    if platform.machine() not in MACHINES:
        socket.socket(fileno=channel).sendall(f"no table of calls for {platform.machine()}".encode())
        return 1
    calls, seccomp, architecture = MACHINES[platform.machine()]
    # A filter of the kernel: is the machine ours, and is the call one of these? Then it asks, else it lets it be.
    allow, ask = (RETURN, 0, 0, 0x7FFF0000), (RETURN, 0, 0, 0x7FC00000)
    numbers = sorted(calls.values())
    program = [(LOAD, 0, 0, 4), (JUMP_IF_EQUAL, 1, 0, architecture), allow, (LOAD, 0, 0, 0)]
    program += [(JUMP_IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    program += [allow, ask]
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code, len(code))
    filter = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
    libc = ctypes.CDLL(None, use_errno=True)
    channel = socket.socket(fileno=channel)
    if libc.prctl(38, 1, 0, 0, 0):  # no new privileges: what an unprivileged filter needs
        handle = -1
    else:
        handle = libc.syscall(seccomp, 1, 8, ctypes.byref(filter))  # a filter; with a listener
    if handle < 0:
        channel.sendall(f"seccomp: {os.strerror(ctypes.get_errno())}".encode())
        return 1
    socket.send_fds(channel, [b"handle"], [handle])
    os.set_inheritable(channel.fileno(), False)
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(launch(int(sys.argv[1]), sys.argv[2:]))
