"""One system call that sends to many sockets: io_uring, by ctypes. Linux 5.17 or newer; never needed.

Source: io_uring_setup(2), io_uring_enter(2) and linux/io_uring.h. Every SEND is non-blocking and runs within
the call, so that nothing outlives it: what a socket did not take comes back, and goes the usual way.
"""

import ctypes
import errno
import logging
import mmap
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

logger = logging.getLogger(__name__)

LEAST = 16
"""Sockets for which it is worth while."""

_ENTRIES = 1024
_BUFFER = 1 << 18
_SETUP, _ENTER = 425, 426
_SINGLE_MMAP, _CQE_SKIP = 1 << 0, 1 << 11
_SQES = 0x10000000
_SEND = 26
_SKIP_SUCCESS = 1 << 6
_FLAGS = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT | socket.MSG_WAITALL
"""With WAITALL a short send counts as a failure, so that it is told."""
_SQE = struct.Struct("<BBHiQQIIQ24x")
_CQE = struct.Struct("<Qi4x")


class Sink(Protocol):
    """What has bytes for one socket."""

    fd: int
    """The socket's descriptor; negative: it can't be sent to past its transport."""

    def take(self) -> bytes | None:
        """What is to be sent, of which nothing is kept; None if something else has to go before it."""

    def put_back(self, data: bytes) -> None:
        """This was not sent."""


S = TypeVar("S", bound=Sink)


class Uring:
    """A ring of one process. Raises OSError if the kernel has none, or not what is needed."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._call = libc.syscall
        self._call.restype = ctypes.c_long
        parameters = (ctypes.c_uint32 * 30)()
        self._tail = 0
        self._fd = self._ask(_SETUP, _ENTRIES, ctypes.byref(parameters))
        try:
            self._map(list(parameters))
            self._probe()
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Give it back."""
        os.close(self._fd)

    def send(self, sinks: Sequence[S]) -> list[S]:
        """Send what the sinks have; return those that have something left."""
        left: list[S] = []
        sent: list[tuple[S, bytes]] = []
        last, address, used = b"", 0, 0
        for sink in sinks:
            data = sink.take() if sink.fd >= 0 else None
            if data is None or len(data) > _BUFFER:
                if data is not None:
                    sink.put_back(data)
                left.append(sink)
                continue
            if len(sent) == _ENTRIES or (data is not last and used + len(data) > _BUFFER):
                try:
                    left += self._submit(sent)
                except OSError:
                    sink.put_back(data)
                    raise
                sent, last, used = [], b"", 0
            if data is not last:  # in a room it is the same for all
                address = self._address + used
                self._buffer[used : used + len(data)] = data
                last, used = data, used + len(data)
            place = (self._tail + len(sent)) & self._mask
            _SQE.pack_into(
                self._sqes,
                place * _SQE.size,
                _SEND,
                _SKIP_SUCCESS,
                0,
                sink.fd,
                0,
                address,
                len(data),
                _FLAGS,
                len(sent),
            )
            sent.append((sink, data))
        return left + self._submit(sent)

    def _submit(self, sent: Sequence[tuple[S, bytes]]) -> list[S]:
        """Have the kernel send; return those that have something left. Raises OSError if it takes no more."""
        self._tail = (self._tail + len(sent)) & 0xFFFFFFFF
        self._words[self._sq_tail] = self._tail
        taken = 0
        try:
            while taken < len(sent):
                taken += self._ask(_ENTER, self._fd, len(sent) - taken, 0, 0, None, 0)
        except OSError:
            for sink, data in sent[taken:]:
                sink.put_back(data)
            self._reap(sent)
            raise
        return self._reap(sent)

    def _reap(self, sent: Sequence[tuple[S, bytes]]) -> list[S]:
        """Put back what was not sent, or not whole."""
        left: list[S] = []
        head, tail = self._words[self._cq_head], self._words[self._cq_tail]
        while head != tail:
            index, result = _CQE.unpack_from(self._ring, self._cqes + (head & self._cq_mask) * _CQE.size)
            sink, data = sent[index]
            sink.put_back(data[max(result, 0) :])
            left.append(sink)
            head = (head + 1) & 0xFFFFFFFF
        self._words[self._cq_head] = head
        return left

    def _ask(self, *arguments: Any) -> int:
        result = int(self._call(*arguments))
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def _map(self, parameters: Sequence[int]) -> None:
        features = parameters[5]
        if features & (_SINGLE_MMAP | _CQE_SKIP) != _SINGLE_MMAP | _CQE_SKIP:
            raise OSError(errno.ENOSYS, "the kernel is too old")
        entries, cq_entries = parameters[0], parameters[1]
        sq, cq = parameters[10:20], parameters[20:30]
        size = max(sq[6] + entries * 4, cq[5] + cq_entries * _CQE.size)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        self._ring = mmap.mmap(self._fd, size, flags=flags)
        self._sqes = mmap.mmap(self._fd, entries * _SQE.size, flags=flags, offset=_SQES)
        self._words = memoryview(self._ring)[: size // 4 * 4].cast("I")
        self._mask = entries - 1
        self._sq_tail, self._cq_head, self._cq_tail = sq[1] // 4, cq[0] // 4, cq[1] // 4
        self._cq_mask, self._cqes = self._words[cq[2] // 4], cq[5]
        for place in range(entries):
            self._words[sq[6] // 4 + place] = place
        self._buffer = mmap.mmap(-1, _BUFFER)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))

    def _probe(self) -> None:
        """Whether it does what it says. Raises OSError."""
        here, there = socket.socketpair()
        with here, there:
            there.settimeout(1)
            if self.send([_Probe(here.fileno())]) or there.recv(16) != _Probe.data:
                raise OSError(errno.ENOSYS, "SEND is not supported")


class _Probe:
    data = b"probe"

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def take(self) -> bytes | None:
        return self.data

    def put_back(self, data: bytes) -> None:
        pass


def open_uring() -> Uring | None:
    """A ring, if this machine lets us have one."""
    try:
        return Uring()
    except (OSError, AttributeError, ValueError) as error:
        logger.info("no io_uring: %s", error)
        return None
