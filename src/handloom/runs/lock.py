"""One process a run folder: a lock that the system releases when its holder dies."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from handloom.errors import InUseError, RunError

if os.name == "nt":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> None:
        file.seek(1 << 20)  # a byte nobody reads: Windows locks are mandatory
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """Holds `.lock` of a run folder while the context lasts, and says in it who holds it.

    A lock left by a killed process does not count: the system let go of it. Where another process
    holds the folder: InUseError, which names process and machine.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".lock"
        self._file: IO[bytes] | None = None

    def __enter__(self) -> RunLock:
        try:
            file = self.path.open("a+b")
        except OSError as error:
            raise RunError(f"cannot lock {self.path.parent}: {error.strerror}") from None
        try:
            _try_lock(file)
        except OSError:
            file.seek(0)
            holder = file.read(200).decode(errors="replace").strip() or "another process"
            file.close()
            raise InUseError(
                f"{self.path.parent} is in use by {holder}; wait for it or stop it first"
            ) from None
        self._file = file
        with suppress(OSError):  # on a full disk the lock holds, though it cannot say for whom
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), 0)
            self._file.close()
            self._file = None
