"""Run a command that can open no internet socket, and record every attempt: `python no_sockets.py RECORD COMMAND...`.

A seccomp filter hands each socket(AF_INET) and socket(AF_INET6) of the command and of all processes that it starts to
this one, which notes it in the file RECORD, a line each, and has it fail with EPERM. Needs Linux 5.0 or newer, no rights
and no other package. Returns when all of these processes have ended, with the exit code of the command.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys

_MACHINES = {"x86_64": (0xC000003E, 41, 317), "aarch64": (0xC00000B7, 198, 277)}
"""Of each machine: AUDIT_ARCH, and the numbers of the system calls socket and seccomp."""
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
"""ioctl of struct seccomp_notif (80 bytes) and of struct seccomp_notif_resp (24 bytes)."""
UNSUPPORTED = 125


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter(arch: int, socket_call: int) -> bytes:
    """BPF over struct seccomp_data: nr at 0, arch at 4, the low half of the first argument at 16."""
    instructions = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 0, 5, arch),
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 3, socket_call),
        (_LOAD, 0, 0, 16),
        (_EQUAL, 2, 0, socket.AF_INET),
        (_EQUAL, 1, 0, socket.AF_INET6),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    ]
    return b"".join(struct.pack("HBBI", *one) for one in instructions)


def _listen() -> int:
    """Put the filter on this process. Returns the descriptor of its notifications. Raises OSError."""
    if platform.machine() not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter for {platform.machine()}")
    arch, socket_call, seccomp_call = _MACHINES[platform.machine()]
    code = _filter(arch, socket_call)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    program = _Program(len(code) // 8, code)
    listener: int = libc.syscall(seccomp_call, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def _record(listener: int, path: str) -> None:
    """Note every attempt and refuse it, until the last process with the filter has ended."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        [(_, event)] = poll.poll()
        if not event & select.POLLIN:
            return
        notification = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, notification)
        except OSError:  # the process was killed meanwhile
            continue
        number, pid = struct.unpack_from("QI", notification)
        (family,) = struct.unpack_from("I", notification, 32)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(f"{'AF_INET' if family == socket.AF_INET else 'AF_INET6'} {_command_of(pid)}\n")
        try:
            fcntl.ioctl(listener, _SEND, struct.pack("QqiI", number, 0, -errno.EPERM, 0))
        except OSError:
            continue


def _command_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
            return stream.read().replace("\0", " ").strip()
    except OSError:
        return "?"


def main(record: str, *command: str) -> int:
    """See above; UNSUPPORTED where the system has no such filter."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            listener = _listen()
        except OSError as error:
            print(error, file=sys.stderr)
            os._exit(UNSUPPORTED)
        socket.send_fds(theirs, [b"x"], [listener])
        os.close(listener)
        ours.close()
        theirs.close()
        os.execvp(command[0], command)
    theirs.close()
    _, listeners, _, _ = socket.recv_fds(ours, 1, 1)
    if listeners:
        _record(listeners[0], record)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
