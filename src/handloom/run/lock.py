"""One process a run folder: a lock that the system releases when its holder dies."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from handloom._files import open_own
from handloom._reasons import cause
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


_PAUSE_S = 0.02


class RunLock:
    """Holds `.lock` of a run folder while the context lasts, and says in it who holds it.

    A lock left by a killed process does not count: the system let go of it. Where another process
    holds the folder, also after `patience` seconds: InUseError, which names process and machine.
    RunError where `.lock` is a link, for the file that it leads to would be emptied.
    """

    def __init__(self, folder: Path, *, name: str = ".lock", patience: float = 0.0) -> None:
        self.path = folder / name
        self.patience = patience
        self._file: IO[bytes] | None = None

    def __enter__(self) -> RunLock:
        try:
            file = open_own(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise RunError(f"cannot lock {self.path.parent}: {self.path}: {cause(error)}") from None
        until = time.monotonic() + self.patience
        while True:
            try:
                _try_lock(file)
                break
            except OSError:
                if time.monotonic() > until:
                    raise self._in_use(file) from None
            time.sleep(_PAUSE_S)
        self._file = file
        with suppress(OSError):  # on a full disk the lock holds, though it cannot say for whom
            os.ftruncate(file.fileno(), 0)
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return self

    def _in_use(self, file: IO[bytes]) -> InUseError:
        with file:
            file.seek(0)
            holder = file.read(200).decode(errors="replace").strip() or "another process"
        return InUseError(f"{self.path.parent} is in use by {holder}; wait for it or stop it first")

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


def counting(folder: Path) -> RunLock:
    """Held for the moment in which figures of a result are read, changed and written again.

    Not the run's lock: a test set may be looked at while the training goes on, which holds that
    one for hours.
    """
    return RunLock(folder, name=".result.lock", patience=60.0)
