"""One known file from its mirrors to a folder: whole and verified, or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from handloom._files import open_own, sync_folder
from handloom._reasons import shown_path as shown
from handloom.data.known.names import KnownFile, owner_of, owner_of_size
from handloom.data.known.transport import MirrorFailure, Timeouts, receive
from handloom.data.readers.idx import GZIP_MAGIC
from handloom.errors import DataError, DownloadError

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that have come, and all its bytes; starts anew at 0 with
each mirror."""

_STALE_SECONDS = 3600.0


def download_file(
    file: KnownFile,
    folder: Path,
    *,
    progress: Progress | None = None,
    patience: Timeouts | None = None,
) -> Path:
    """Fetch `file` into `folder`, under its own name, and give its path.

    The mirrors are tried in turn, and those whose failure may pass are tried again. Bytes go to a
    temporary name in the same folder; only when length and sha256 are right is it renamed. So two
    processes may fetch the same file at once, and one that is killed leaves nothing to repair.

    Raises DownloadError, one line a mirror on what it did; DataError if the folder cannot be
    written to.
    """
    patience = patience or Timeouts()
    _prepare(folder, file)
    failures: dict[str, MirrorFailure] = {}
    for round_number in range(patience.rounds):
        if round_number:
            time.sleep(patience.pause * 4 ** (round_number - 1))
        for url in file.mirrors:
            if url in failures and not failures[url].again:
                continue
            try:
                return _from_mirror(url, file, folder, progress, patience)
            except MirrorFailure as failure:
                failures[url] = failure
        if not any(failure.again for failure in failures.values()):
            break
    told = "".join(f"\n  {url} {failure}" for url, failure in failures.items())
    raise DownloadError(f"no mirror delivered {file.name}:{told}")


def _prepare(folder: Path, file: KnownFile) -> None:
    """Make the folder; clear away what a killed download left in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(f".{file.name}.*.part"):
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                if time.time() - left_over.stat().st_mtime > _STALE_SECONDS:
                    left_over.unlink()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _from_mirror(
    url: str, file: KnownFile, folder: Path, progress: Progress | None, patience: Timeouts
) -> Path:
    with _Part(file, folder, progress) as part:
        try:
            receive(url, part, file.num_bytes, patience)
        except MirrorFailure as failure:
            if failure.again and part.count:
                raise MirrorFailure(f"{failure}, {part.measured()}", again=True) from failure
            raise
        part.verify()
        return part.place()


class _Part:
    """A file on its way: takes bytes under a temporary name, and refuses what cannot be right."""

    def __init__(self, file: KnownFile, folder: Path, progress: Progress | None) -> None:
        self._file = file
        self._target = folder / file.name
        # Processes and threads must not share it, so it is drawn, not counted.
        self._path = folder / f".{file.name}.{secrets.token_hex(6)}.part"
        self._progress = progress
        self._digest = hashlib.sha256()
        self.count = 0

    def __enter__(self) -> _Part:
        try:
            self._stream = open_own(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except OSError as error:
            raise _cannot_write(self._target.parent, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # a full disk, which has been told of already
            self._stream.close()
        self._path.unlink(missing_ok=True)

    def begin(self, num_bytes: int) -> None:
        """Raise MirrorFailure if the server would send more than the file's length."""
        if num_bytes > self._file.num_bytes:
            other = owner_of_size(num_bytes)
            hint = f", the length of {other}" if other else ""
            raise MirrorFailure(
                f"would send {num_bytes} bytes instead of {self._file.num_bytes}{hint}"
            )

    def take(self, chunk: bytes) -> None:
        """Add `chunk`; raises MirrorFailure for a web page, no gzip, or more bytes than known."""
        if not self.count:
            _check_start(chunk)
        self.count += len(chunk)
        if self.count > self._file.num_bytes:
            raise MirrorFailure(f"sent more than the file's {self._file.num_bytes} bytes")
        self._digest.update(chunk)
        try:
            self._stream.write(chunk)
        except OSError as error:
            raise _cannot_write(self._target.parent, error) from error
        if self._progress:
            self._progress(self._file.name, self.count, self._file.num_bytes)

    def verify(self) -> None:
        """Raise MirrorFailure unless length and sha256 are the publisher's."""
        found = self._digest.hexdigest()
        if found == self._file.sha256:
            return
        if other := owner_of(found):
            raise MirrorFailure(f"sent another file: {other}")
        if self.count < self._file.num_bytes:
            raise MirrorFailure(f"sent only a part, {self.measured()}", again=True)
        raise MirrorFailure(f"sent a changed file, with sha256 {found}")

    def place(self) -> Path:
        """Rename to the final name, safe against a loss of power; gives the final path."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._path.replace(self._target)
            sync_folder(self._target.parent)
        except OSError as error:
            raise _cannot_write(self._target.parent, error) from error
        return self._target

    def measured(self) -> str:
        """'100 of 4542 bytes'."""
        return f"{self.count} of {self._file.num_bytes} bytes"


def _check_start(chunk: bytes) -> None:
    if chunk.lstrip().startswith(b"<"):
        raise MirrorFailure("sent a web page instead of the file")
    if not chunk.startswith(GZIP_MAGIC[: len(chunk)]):
        raise MirrorFailure("sent something that is not a gzip file")


def _cannot_write(folder: Path, error: OSError) -> DataError:
    reason = (error.strerror or str(error)).lower()
    return DataError(f"cannot write into {shown(folder)}: {reason}; nothing was changed there")
