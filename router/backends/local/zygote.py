"""The one small process that starts every process of every embedded sandbox.

Run by path as `python -I -S zygote.py SOCKET VIEW`, never imported: it stays single-threaded and small, so that a fork
costs a fraction of a millisecond, and its children never see the router's memory, descriptors or child watchers.
It speaks JSON messages with descriptors attached over a SOCK_SEQPACKET socket, and ends when that socket does.

With VIEW "namespaces" it lives in namespaces of its own (and in a user namespace where it is not root): when it ends,
by whatever cause, the kernel ends everything that it started. Standard library only.
"""

import array
import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import termios
import warnings  # noqa: F401 (os.execvpe imports it, and in a sandbox's view our library may be elsewhere)
from contextlib import suppress
from typing import Any

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x0002_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SYS_MOUNT_SETATTR, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, 0x8000, 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
MSG_CMSG_CLOEXEC = 0x4000_0000
MESSAGE_LIMIT = 256 * 1024

Message = dict[str, Any]

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve until the other end closes."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)  # it was, to come here; what is started must not hold it
    if sys.argv[2] == "namespaces":
        try:
            enter_namespaces()
        except OSError:  # not allowed here: the closed socket says so
            sys.exit(1)
    Zygote(sock, namespaces=sys.argv[2] == "namespaces").serve()


def enter_namespaces() -> None:
    """Go on as process 1 of new namespaces; the process that was started only waits for that one's end."""
    uid, gid = os.geteuid(), os.getegid()
    wanted = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID
    try:
        unshare(wanted)
    except OSError:
        unshare(CLONE_NEWUSER | wanted)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 (pathlib costs start-up time here)
                file.write(text)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    mount("none", "/", "", MS_REC | MS_PRIVATE)


class Zygote:
    """Children by key, and the sandboxes' namespaces by the key of the process that holds them."""

    def __init__(self, sock: socket.socket, *, namespaces: bool) -> None:
        self.sock = sock
        self.namespaces = namespaces
        self.pids: dict[int, int] = {}  # key -> pid, until reaped
        self.keys: dict[int, int] = {}  # pid -> key, until reaped
        self.holders: dict[int, int] = {}  # key -> pidfd
        # One descriptor for every sandbox; what is started gets the limits that we got.
        self.files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files[1], self.files[1]))
        self.own = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("pid", "net")}

    def serve(self) -> None:
        wake, wake_write = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's business
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.register(wake, select.POLLIN)
        self.send({"ready": True})
        while True:
            ready = dict(poll.poll())
            if wake in ready:
                os.read(wake, 4096)
                self.reap()
            if self.sock.fileno() in ready and not self.receive():
                break
        for pid in self.keys:
            kill_group(pid, signal.SIGKILL)

    def receive(self) -> bool:
        try:
            data, ancillary, _, _ = self.sock.recvmsg(MESSAGE_LIMIT, socket.CMSG_SPACE(8 * 4), MSG_CMSG_CLOEXEC)
        except ConnectionResetError:  # closed with answers unread
            return False
        if not data:
            return False
        fds = array.array("i")
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        message = json.loads(data)
        if message["op"] == "large":  # too big for one packet: the message itself is in a file
            with open(fds.pop(0), "rb") as file:  # noqa: PTH123
                file.seek(0)
                message = json.loads(file.read())
        try:
            self.handle(message, list(fds))
        except OSError as error:
            self.reply(message, {"failed": "system", "errno": error.errno, "text": str(error)})
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def handle(self, message: Message, fds: list[int]) -> None:
        op = message["op"]
        if op == "kill":
            self.kill(message)
        elif op == "spawn":
            self.spawn(message, fds)
        elif op == "hold":
            self.hold(message)
        elif op == "release":
            self.release(message)
        elif op == "socket":
            self.open_socket(message)

    # Processes...

    def spawn(self, message: Message, fds: list[int]) -> None:
        holder = self.holders[message["holder"]] if message["holder"] is not None else None
        report, report_write = os.pipe()
        # A process namespace is entered by children only, so it is entered around the fork.
        pid = -1
        if holder is not None:
            setns(holder, CLONE_NEWPID)
        try:
            pid = os.fork()
        finally:
            if holder is not None and pid != 0:
                setns(self.own["pid"], CLONE_NEWPID)
        if pid == 0:
            start_program({**message, "files": self.files}, fds, holder, report_write)
        os.close(report_write)
        text = read_all(report).decode()
        inner, _, failure = text.partition(" ")
        if failure:
            os.waitpid(pid, 0)
            where, _, number = failure.partition(" ")
            self.reply(message, {"failed": where, "errno": int(number), "text": os.strerror(int(number))})
            return
        self.pids[message["key"]], self.keys[pid] = pid, message["key"]
        self.reply(message, {"pid": int(inner)})

    def kill(self, message: Message) -> None:
        pid = message.get("was") or 0
        pid = self.pids.get(message["key"], pid)
        if not pid:
            return
        kill_group(pid, message["signal"]) if message["group"] else kill_one(pid, message["signal"])

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            key = self.keys.pop(pid, None)
            if key is not None:
                self.pids.pop(key, None)
                self.send({"exit": key, "code": os.waitstatus_to_exitcode(status), "was": pid})

    # Namespaces of one sandbox...

    def hold(self, message: Message) -> None:
        report, report_write = os.pipe()
        pid = -1
        unshare(CLONE_NEWPID)
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                setns(self.own["pid"], CLONE_NEWPID)
        if pid == 0:
            become_holder(message, report_write)
        os.close(report_write)
        failure = read_all(report).decode()
        if failure:
            os.waitpid(pid, 0)
            self.reply(message, {"failed": "system", "errno": errno.EPERM, "text": failure})
            return
        self.holders[message["key"]] = os.pidfd_open(pid)
        self.pids[message["key"]], self.keys[pid] = pid, message["key"]
        self.reply(message, {})

    def release(self, message: Message) -> None:
        pidfd = self.holders.pop(message["holder"], None)
        if pidfd is not None:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(pidfd)
        self.reply(message, {})

    def open_socket(self, message: Message) -> None:
        setns(self.holders[message["holder"]], CLONE_NEWNET)
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            setns(self.own["net"], CLONE_NEWNET)
        with sock:
            self.reply(message, {}, [sock.fileno()])

    # Answers...

    def reply(self, message: Message, answer: Message, fds: list[int] | None = None) -> None:
        self.send({"key": message["key"], **answer}, fds)

    def send(self, answer: Message, fds: list[int] | None = None) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([json.dumps(answer).encode()], rights)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the loop sees the end of the socket next


def start_program(message: Message, fds: list[int], holder: int | None, report: int) -> None:
    """In the child: become the program, or report where it failed."""
    where = "system"
    try:
        os.write(report, b"%d" % os.getpid())
        os.setsid()
        if holder is not None:
            setns(holder, CLONE_NEWNS | CLONE_NEWNET)
        where = "cwd"
        os.chdir(message["cwd"])
        where = "system"
        for target, fd in enumerate(fds * 3 if message["pty"] else fds):
            os.dup2(fd, target)
        if message["pty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if message["file_limit"] is not None:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (message["file_limit"], hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, message["files"])
        fresh_signals()
        os.umask(0o022)
        where = "exec"
        os.execvpe(message["argv"][0], message["argv"], message["env"])
    except OSError as error:
        os.write(report, b" %s %d" % (where.encode(), error.errno or errno.EIO))
    except Exception:  # a NUL byte in an argument
        os.write(report, b" %s %d" % (where.encode(), errno.EINVAL))
    finally:
        os._exit(127)


def become_holder(message: Message, report: int) -> None:
    """In the child: process 1 of a sandbox, which does nothing but hold its namespaces and bury orphans."""
    step = "unshare"
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        unshare(CLONE_NEWNS | CLONE_NEWNET)
        step = "bringing the loopback interface up"
        raise_loopback()
        root = message["root"]
        step = f"mounting {root}"
        mount(root, root, "", MS_BIND)
        for source, target, read_only in message["binds"]:
            step = f"mounting {source}"
            mount(source, root + target, "", MS_BIND | MS_REC)
            if read_only:
                make_read_only(root + target)
        for source in message["tools"]:
            with suppress(OSError):  # one that our user may not reach is missing inside, too
                mount(source, root + source, "", MS_BIND | MS_REC)
                make_read_only(root + source)
        step = "mounting proc"
        mount_proc(root + "/proc")
        step = "mounting /dev/shm"
        mount("tmpfs", root + "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV)
        step = "changing the root directory"
        os.chdir(root)
        check(libc.pivot_root(b".", b"."))
        check(libc.umount2(b".", MNT_DETACH))
        os.chdir("/")
        fresh_signals()
        # Ignored, and kept so by exec: the kernel then buries every orphan that falls to process 1.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        step = "starting sleep"
        os.execvpe("sleep", ["sleep", "infinity"], message["env"])
    except Exception as error:  # the edge of this process: whatever it was, the other end must hear of it
        os.write(report, f"{step}: {getattr(error, 'strerror', None) or error!r}".encode())
    finally:
        os._exit(127)


def fresh_signals() -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def mount_proc(target: str) -> None:
    try:
        mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        # A container that masks parts of /proc forbids a fresh one to unprivileged users: show the machine's.
        mount("/proc", target, "", MS_BIND | MS_REC)


def make_read_only(target: str) -> None:
    attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
    # Kernels before 5.12 lack the call: the view is then writable where the user may write, which it does not promise.
    libc.syscall(SYS_MOUNT_SETATTR, -100, target.encode(), AT_RECURSIVE, attributes, len(attributes))


def mount(source: str, target: str, kind: str, flags: int) -> None:
    check(libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None), target)


def setns(fd: int, kinds: int) -> None:
    check(libc.setns(fd, kinds))


def unshare(kinds: int) -> None:
    check(libc.unshare(kinds))


def check(result: int, name: str | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_one(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 4096):
        parts.append(part)
    os.close(fd)
    return b"".join(parts)


if __name__ == "__main__":
    main()
