"""Bytes from a web address, with limits on time; the reasons in words when they do not come.

Whole files and parts of files go through pooch's downloader, the only code here that speaks HTTP.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from handloom import __version__


class Sink(Protocol):
    """What takes a body. Either method may raise to break off."""

    def begin(self, num_bytes: int) -> None:
        """The server declares `num_bytes`; not called when it declares nothing."""

    def take(self, chunk: bytes) -> None:
        """The next piece of the body."""


Take = Callable[[bytes], object]

_CHUNK_BYTES = 64 << 10
_RANGE_BYTES = 4 << 20
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that a later try may turn into a better one.  Source: RFC 9110, sec. 15; RFC 6585."""


class MirrorFailure(Exception):
    """Why an address did not deliver; `again` says whether a later try may."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long is waited for a server, and how often it is asked."""

    connect: float = 10.0  # seconds until it accepts a connection
    silence: float = 30.0  # seconds without a byte
    slowest: float = 50_000.0  # bytes a second, on average, below which it is given up
    rounds: int = 3  # times that all mirrors are tried
    pause: float = 1.0  # seconds before the second round; four times as long before each next

    def seconds_for(self, num_bytes: int) -> float:
        """The longest that an answer of `num_bytes` may take."""
        return self.silence + num_bytes / self.slowest


def receive(url: str, sink: Sink, num_bytes: int, patience: Timeouts) -> None:
    """Give the body at `url`, piece by piece, to `sink`; 'archive.zip#member' is that member.

    `num_bytes` is the length expected, which sets the limit on time.
    Raises MirrorFailure for whatever the server or the network does wrong.
    """
    archive, _, member = url.partition("#")
    if member:
        _receive_member(archive, member, sink, patience)
    else:
        _Answer(patience, num_bytes, sink.begin).read(url, sink.take)


class _Answer:
    """One request and its answer."""

    def __init__(
        self, patience: Timeouts, num_bytes: int, begin: Callable[[int], None] | None = None
    ) -> None:
        self._patience = patience
        self._begin = begin
        self._seconds = patience.seconds_for(num_bytes)
        self._response: Any = None
        self._watchdog: threading.Timer | None = None
        self._expired = False
        self.headers: dict[str, str] = {}

    def read(self, url: str, take: Take, byte_range: str | None = None) -> None:
        """Pass the body to `take`; with `byte_range`, 'bytes=0-9', only that part of it."""
        from pooch import HTTPDownloader

        # identity: a .gz file must arrive as it is, not unpacked on the way
        headers = {"User-Agent": f"handloom/{__version__}", "Accept-Encoding": "identity"}
        if byte_range:
            headers["Range"] = byte_range
        download = HTTPDownloader(
            chunk_size=_CHUNK_BYTES,
            timeout=(self._patience.connect, self._patience.silence),
            headers=headers,
            hooks={"response": self._on_response},
        )
        try:
            download(url, _Tap(take), None)
        except OSError as error:  # every error of requests and of the sockets below it is one
            raise self._too_slow() if self._expired else _explained(error) from error
        finally:
            if self._watchdog is not None:
                self._watchdog.cancel()
            if self._response is not None:
                self._response.close()
        if self._expired:
            raise self._too_slow()
        if byte_range and "Content-Range" not in self.headers:
            raise MirrorFailure("does not hand out parts of the archive")

    def _on_response(self, response: Any, *_: Any, **__: Any) -> None:
        if response.is_redirect:
            return
        self._response, self.headers = response, response.headers
        if response.status_code >= 400:
            reason = f"answered {response.status_code} {response.reason}".strip()
            raise MirrorFailure(reason, again=response.status_code in _PASSING)
        declared = response.headers.get("Content-Length", "")
        if self._begin and declared.isdecimal():
            self._begin(int(declared))
        # The timeouts of sockets begin anew with each byte; a server that drips needs a watch.
        self._watchdog = threading.Timer(self._seconds, self._expire)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _expire(self) -> None:
        self._expired = True
        try:
            self._response.raw.shutdown()
        except (OSError, RuntimeError, ValueError):
            return  # the answer ended in the same moment

    def _too_slow(self) -> MirrorFailure:
        return MirrorFailure(f"was too slow: given up after {self._seconds:.0f} s", again=True)


class _Tap:
    """What pooch takes for an open file."""

    def __init__(self, take: Take) -> None:
        self.write = take

    def flush(self) -> None:
        """Nothing is held back."""


def _explained(error: OSError) -> MirrorFailure:
    link: BaseException | None = error
    while link is not None:  # the reason lies below what requests and urllib3 wrapped it in
        if isinstance(link, TimeoutError):
            return MirrorFailure("did not answer in time", again=True)
        if isinstance(link, socket.gaierror):
            return MirrorFailure("could not be found; check the network connection", again=True)
        if isinstance(link, ConnectionRefusedError):
            return MirrorFailure("refused the connection", again=True)
        if isinstance(link, ssl.SSLCertVerificationError):
            return MirrorFailure(f"has no trusted certificate: {link.verify_message}")
        link = link.__cause__ or link.__context__
    return MirrorFailure(f"closed the connection ({type(error).__name__})", again=True)


def _receive_member(archive: str, member: str, sink: Sink, patience: Timeouts) -> None:
    try:
        remote = io.BufferedReader(_RemoteFile(archive, patience), _RANGE_BYTES)
        with zipfile.ZipFile(remote) as opened, opened.open(member) as stream:
            sink.begin(opened.getinfo(member).file_size)
            while chunk := stream.read(_CHUNK_BYTES):
                sink.take(chunk)
    except KeyError:
        raise MirrorFailure(f"has no {member} in its archive") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise MirrorFailure(f"has a damaged archive ({error})") from error


class _RemoteFile(io.RawIOBase):
    """A file on a server that hands out ranges of bytes, as zipfile wants it: one can seek."""

    def __init__(self, url: str, patience: Timeouts) -> None:
        self._url = url
        self._patience = patience
        self._position = 0
        self._size = 1
        self._get(0, 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        data = self._get(self._position, min(self._position + len(buffer), self._size))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _get(self, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        received = bytearray()

        def take(chunk: bytes) -> None:
            received.extend(chunk)
            if len(received) > stop - start:
                raise MirrorFailure("does not hand out parts of the archive")

        answer = _Answer(self._patience, stop - start)
        answer.read(self._url, take, f"bytes={start}-{stop - 1}")
        if len(received) != stop - start:
            raise MirrorFailure("sent less of its archive than requested", again=True)
        total = answer.headers["Content-Range"].rpartition("/")[2]
        self._size = int(total) if total.isdecimal() else self._size
        return bytes(received)
