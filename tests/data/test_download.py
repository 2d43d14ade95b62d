"""Downloads from a server that does everything wrong before it does it right."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom.data.known import names as known
from handloom.data.known import transport
from handloom.data.known.download import download_file
from handloom.data.known.names import KnownFile
from handloom.data.known.transport import Timeouts
from handloom.errors import DataError, DownloadError

NAME = "train-images-idx3-ubyte.gz"
QUICK = Timeouts(connect=2.0, silence=0.4, slowest=1e6, rounds=2, pause=0.01)


def packed(seed: int, num_bytes: int) -> bytes:
    return gzip.compress(np.random.default_rng(seed).bytes(num_bytes), mtime=0)


RIGHT = packed(1, 200_000)
OTHER = packed(2, 100_000)
LARGER = packed(3, 300_000)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def as_known(data: bytes, *mirrors: str) -> KnownFile:
    return KnownFile(NAME, len(data), sha256(data), mirrors)


@pytest.fixture
def other_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue with one set, whose files are OTHER and LARGER."""
    mnist = dataclasses.replace(known.known_set("mnist"), files=(as_known(OTHER), as_known(LARGER)))
    monkeypatch.setattr(known, "known_sets", lambda: {"mnist": mnist})
    known._owners.cache_clear()
    yield
    known._owners.cache_clear()


def dripping(request: BaseHTTPRequestHandler) -> None:
    """A byte in every tenth of a second, for ever, so that no socket's timeout is reached."""
    request.send_response(200)
    request.end_headers()
    for byte in RIGHT:
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        time.sleep(0.1)


def silent(request: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)


def moved(request: BaseHTTPRequestHandler) -> None:
    request.send_response(302)
    request.send_header("Location", "/right")
    request.send_header("Content-Length", "0")
    request.end_headers()


FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "forbidden": (lambda s: s.body(b"no", status=403), "answered 403 Forbidden"),
    "unavailable": (lambda s: s.body(b"no", status=503), "answered 503"),
    "web page": (lambda s: s.body(b"\n<!DOCTYPE html><p>Log in"), "sent a web page instead"),
    "text": (lambda s: s.body(b"moved, see elsewhere"), "sent something that is not a gzip file"),
    "nothing": (lambda s: s.body(b""), f"sent only a part, 0 of {len(RIGHT)} bytes"),
    "half, cut off": (
        lambda s: s.body(RIGHT[:70_000], declared=len(RIGHT)),
        f"closed the connection (ChunkedEncodingError), 65536 of {len(RIGHT)} bytes",
    ),
    "half, closed": (
        lambda s: s.body(RIGHT[:70_000], declared=None),
        f"sent only a part, 70000 of {len(RIGHT)} bytes",
    ),
    "half, declared": (lambda s: s.body(RIGHT[:70_000]), "sent only a part"),
    "another set's": (
        lambda s: s.body(OTHER),
        "sent another file: MNIST's train-images-idx3-ubyte",
    ),
    "another, larger": (
        lambda s: s.body(LARGER),
        f"would send {len(LARGER)} bytes instead of {len(RIGHT)}, the length of MNIST's train",
    ),
    "too large": (lambda s: s.body(RIGHT + b"more", declared=None), "sent more than the file's"),
    "changed": (
        lambda s: s.body(RIGHT[:-1] + b"!"),
        f"sent a changed file, with sha256 {sha256(RIGHT[:-1] + b'!')}",
    ),
    "dripping": (lambda s: dripping, "was too slow: given up after 1 s"),
    "silent": (lambda s: silent, "did not answer in time"),
}


@pytest.mark.usefixtures("other_sets")
@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_the_next_mirror_delivers(fault: str, server: Any, tmp_path: Path) -> None:
    bad = server.serve("/bad", FAULTS[fault][0](server))
    good = server.serve("/good", server.body(RIGHT))
    path = download_file(as_known(RIGHT, bad, good), tmp_path / "new", patience=QUICK)
    assert path.read_bytes() == RIGHT
    assert server.asked == ["/bad", "/good"]
    assert [p.name for p in path.parent.iterdir()] == [NAME]


@pytest.mark.usefixtures("other_sets")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_everywhere_is_told_and_leaves_nothing(
    fault: str, server: Any, tmp_path: Path
) -> None:
    answer, told = FAULTS[fault]
    bad = server.serve("/bad", answer(server))
    with pytest.raises(DownloadError) as caught:
        download_file(as_known(RIGHT, bad), tmp_path, patience=QUICK)
    assert f"{bad} {told}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_each_mirror_has_its_line(server: Any, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    page = server.serve("/page", server.body(b"<html>"))
    with pytest.raises(DownloadError) as caught:
        download_file(as_known(RIGHT, page, closed), tmp_path, patience=QUICK)
    assert str(caught.value).splitlines() == [
        f"no mirror delivered {NAME}:",
        f"  {page} sent a web page instead of the file",
        f"  {closed} refused the connection",
    ]


def test_only_faults_that_may_pass_are_tried_again(server: Any, tmp_path: Path) -> None:
    def on_the_third(request: BaseHTTPRequestHandler) -> None:
        status = 200 if server.asked.count("/busy") == 3 else 503
        server.body(RIGHT, status=status)(request)

    page = server.serve("/page", server.body(b"<html>"))
    busy = server.serve("/busy", on_the_third)
    patience = dataclasses.replace(QUICK, rounds=3)
    assert download_file(as_known(RIGHT, page, busy), tmp_path, patience=patience).exists()
    assert server.asked == ["/page", "/busy", "/busy", "/busy"]


def test_redirects_are_followed_and_progress_is_told(server: Any, tmp_path: Path) -> None:
    server.serve("/right", server.body(RIGHT))
    told: list[tuple[str, int, int]] = []
    file = as_known(RIGHT, server.serve("/moved", moved))
    download_file(file, tmp_path, progress=lambda *now: told.append(now), patience=QUICK)
    counts = [count for _, count, _ in told]
    assert counts == sorted(set(counts))
    assert told[-1] == (NAME, len(RIGHT), len(RIGHT))


def test_a_folder_that_cannot_be_made_is_named(server: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match=r"cannot write into .*taken: file exists"):
        download_file(as_known(RIGHT, "http://127.0.0.1:9/"), tmp_path / "taken", patience=QUICK)


def test_nothing_of_the_library_is_printed(
    server: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = server.serve("/bad", server.body(b"<html>"))
    good = server.serve("/good", server.body(RIGHT))
    download_file(as_known(RIGHT, bad, good), tmp_path, patience=QUICK)
    assert capfd.readouterr() == ("", "")


# -- one file out of a zip archive on a server ------------------------------------------------


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An archive whose member gzip/… is RIGHT, after a larger one that nobody wants."""
    monkeypatch.setattr(transport, "_RANGE_BYTES", 1 << 16)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("gzip/unwanted", np.random.default_rng(4).bytes(2_000_000))
        opened.writestr(f"gzip/{NAME}", RIGHT)
    return buffer.getvalue()


def test_one_member_of_a_remote_archive(server: Any, archive: bytes, tmp_path: Path) -> None:
    url = server.serve("/gzip.zip", server.ranges(archive))
    path = download_file(as_known(RIGHT, f"{url}#gzip/{NAME}"), tmp_path, patience=QUICK)
    assert path.read_bytes() == RIGHT
    assert server.bytes_sent < len(archive) / 4


@pytest.mark.parametrize(
    ("member", "ranges", "told"),
    [
        ("gzip/absent.gz", True, "has no gzip/absent.gz in its archive"),
        (f"gzip/{NAME}", False, "does not hand out parts of the archive"),
        ("gzip/unwanted", True, "would send 2000000 bytes"),
    ],
)
def test_faults_of_a_remote_archive(
    member: str, ranges: bool, told: str, server: Any, archive: bytes, tmp_path: Path
) -> None:
    answer = server.ranges(archive) if ranges else server.body(archive)
    url = server.serve("/gzip.zip", answer)
    with pytest.raises(DownloadError, match=told):
        download_file(as_known(RIGHT, f"{url}#{member}"), tmp_path, patience=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_archive_is_told(server: Any, tmp_path: Path) -> None:
    url = server.serve("/gzip.zip", server.ranges(RIGHT))
    with pytest.raises(DownloadError, match="has a damaged archive"):
        download_file(as_known(RIGHT, f"{url}#gzip/{NAME}"), tmp_path, patience=QUICK)


# -- other processes --------------------------------------------------------------------------

PROGRAM = f"""
import sys
from pathlib import Path
from handloom.data.known.download import download_file
from handloom.data.known.names import KnownFile
url, folder = sys.argv[1:3]
exec(sys.argv[3] if len(sys.argv) > 3 else "")
file = KnownFile({NAME!r}, {len(RIGHT)}, {sha256(RIGHT)!r}, (url,))
download_file(file, Path(folder))
"""


def start(url: str, folder: Path, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(folder), before],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_both_succeed(server: Any, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=30)

    def when_both_have_asked(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(RIGHT)))
        request.end_headers()
        request.wfile.write(RIGHT[:50_000])
        both.wait()
        request.wfile.write(RIGHT[50_000:])

    url = server.serve("/", when_both_have_asked)
    processes = [start(url, tmp_path) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == RIGHT


def test_a_killed_download_starts_anew(server: Any, tmp_path: Path) -> None:
    def half_then_wait(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(RIGHT[:150_000])
        server.closing.wait(30)

    url = server.serve("/", half_then_wait)
    process = start(url, tmp_path)
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size for part in tmp_path.glob(".*.part")):
        assert time.monotonic() < deadline, "no byte came"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left_over,) = tmp_path.iterdir()
    assert left_over.name != NAME

    hours_ago = time.time() - 2 * 3600
    os.utime(left_over, (hours_ago, hours_ago))
    server.serve("/", server.body(RIGHT))
    download_file(as_known(RIGHT, url), tmp_path, patience=QUICK)
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == RIGHT


def test_a_full_disk_is_no_fault_of_the_mirror(server: Any, tmp_path: Path) -> None:
    url = server.serve("/", server.body(RIGHT))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))"
    process = start(url, tmp_path, limit)
    error = process.communicate(timeout=60)[1]
    assert f"DataError: cannot write into {tmp_path}: file too large" in error
    assert server.asked == ["/"]
    assert list(tmp_path.iterdir()) == []
