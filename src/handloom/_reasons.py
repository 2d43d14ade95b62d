"""What the system or a library refused, in words for one line of ours."""

from __future__ import annotations

import errno
import re
from pathlib import Path

_LONGEST_SHOWN, _LONGEST_QUOTED, _LONGEST_PATH = 80, 200, 1000  # characters
_BETWEEN_NAMES = r"[\n\"'<>]"
_CAUSES = {
    errno.ELOOP: "it is a link, and nothing is written through links; or links lead in a circle",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "no space left on device",
}


def cause(error: OSError) -> str:
    """Why the system refused, as a clause."""
    return _CAUSES.get(error.errno or 0) or error.strerror or str(error)


def explained(error: BaseException) -> str | None:
    """A sentence on an error of the system that nobody expected where it happened.

    None for an error that is not the system's but a bug of ours.
    """
    if isinstance(error, MemoryError) or _is_of_memory(error):
        return "out of memory; a smaller batch, network or data set takes less, or raise the limit"
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        before, after = error.object[: error.start], error.object[error.start :]
        name = re.split(_BETWEEN_NAMES, before)[-1] + re.split(_BETWEEN_NAMES, after)[0]
        return f"the name {_short(name)} is not UTF-8; rename it"
    if not isinstance(error, OSError) or error.errno is None:
        return None
    names = [_short(str(name)) for name in (error.filename, error.filename2) if name is not None]
    if error.errno == errno.ENOENT and not names:
        return "the current folder was removed; change to another one"
    return f"cannot use {' and '.join(names) or 'a file'}: {cause(error)}"


def _is_of_memory(error: BaseException) -> bool:
    """Whether a library could not be loaded, or a thread not begun, for want of memory."""
    told = ("failed to map segment", "cannot allocate memory", "can't start new thread")
    return isinstance(error, ImportError | RuntimeError) and any(
        words in str(error).lower() for words in told
    )


def brief(value: object) -> str:
    """A value or a library's message for one line of ours, however long it is."""
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_QUOTED else f"{text[:_LONGEST_QUOTED]}…"


def shown_path(path: Path | str) -> str:
    """A path for one line of ours: control signs and odd bytes escaped, the middle of an absurdly
    long one left out."""
    text = str(path)
    text = text if text.isprintable() else repr(text)
    if len(text) <= _LONGEST_PATH:
        return text
    return f"{text[:_LONGEST_QUOTED]}…{text[-_LONGEST_QUOTED:]}"


def _short(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…")
