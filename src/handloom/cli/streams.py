"""Standard output and standard error as they really are: closed, full, or unable to show a sign."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import sys
from typing import TextIO

from handloom.errors import HandloomError

PLAIN_ERRORS = "handloom-plain"  # the name by which codecs know _in_plain_signs
PLAIN = str.maketrans(
    {
        "─": "-", "–": "-", "—": "-", "−": "-", "×": "x", "·": ".", "…": "...", "→": "->",
        "≤": "<=", "≥": ">=", "±": "+-", "µ": "u", "²": "2", "‘": "'", "’": "'", "“": '"', "”": '"',
    }
)  # fmt: skip


_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class ReaderGone(SystemExit):
    """Nobody reads standard output any more, as when it goes to `head`."""

    exit_code = 141  # what a shell reports of a program that a closed pipe ended

    def __init__(self) -> None:
        super().__init__(self.exit_code)


class OutputError(HandloomError):
    """Standard output cannot be written, as when the disk is full."""


def prepare() -> None:
    """Make both standard streams take any text.

    A character that a stream's encoding lacks gets a substitute. What is printed on a stream that
    was closed is lost. A reader who goes away ends the program by ReaderGone, and an output that
    cannot be written by OutputError, whoever prints; standard error never fails.

    The number of a closed descriptor is taken by the null device: otherwise the next file that
    the program opens would get it, and whatever is printed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    codecs.register_error(PLAIN_ERRORS, _in_plain_signs)
    sys.stdout = _wrapped(sys.stdout, _Output)
    sys.stderr = _wrapped(sys.stderr, _Complaints)


def complain(message: str) -> None:
    """One line on standard error.

    Signs that steer a terminal, which a foreign file's name may hold, are spelled out.
    """
    sys.stderr.write(f"handloom: {_STEERING.sub(_spelled_out, message)}\n")
    sys.stderr.flush()


def _spelled_out(sign: re.Match[str]) -> str:
    return sign[0].encode("unicode_escape").decode()


def can_show(text: str) -> bool:
    """Whether standard output has a sign for every character of `text`."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Output(io.TextIOWrapper):
    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise self._lost(error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise self._lost(error) from None

    def _lost(self, error: OSError) -> ReaderGone | OutputError:
        # Python flushes once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        if isinstance(error, BrokenPipeError):
            return ReaderGone()
        return OutputError(f"standard output cannot be written: {(error.strerror or '').lower()}")


class _Complaints(io.TextIOWrapper):
    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def _wrapped(stream: TextIO | None, kind: type[io.TextIOWrapper]) -> TextIO:
    if stream is None:  # closed since the program began
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if type(stream) is not io.TextIOWrapper:
        return stream  # wrapped already, or a caller's own
    stream.flush()
    return kind(
        stream.buffer,
        encoding=stream.encoding,
        errors=PLAIN_ERRORS,
        line_buffering=stream.line_buffering,
    )


def _in_plain_signs(error: UnicodeError) -> tuple[str, int]:
    """What stands instead of signs that an encoding lacks: a plain one that is like it, or '?'."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end].translate(PLAIN)
    return "".join(sign if sign.isascii() else "?" for sign in missing), error.end
