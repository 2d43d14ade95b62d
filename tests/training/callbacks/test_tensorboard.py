"""TensorBoard's events, read as its format defines them, are the history's numbers."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom.errors import MissingExtraError
from handloom.training.callbacks import TensorBoard
from handloom.training.callbacks.tensorboard import TAGS

pytest.importorskip("tensorboardX")


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, bit by bit, masked as the format wants it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> Iterator[Any]:
    """The records of the one file: length, its checksum, data, their checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert struct.unpack("<I", content[8:12]) == (crc32c(content[:8]),)
        data, checksum = content[12 : 12 + length], content[12 + length : 16 + length]
        assert struct.unpack("<I", checksum) == (crc32c(data),)
        yield Event.FromString(data)
        content = content[16 + length :]


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    return [
        (value.tag, event.step, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
    ]


def expected(rows: list[dict]) -> list[tuple[str, int, float]]:
    return [
        (tag, row["step"], float(np.float32(row[name])))
        for row in rows
        for name, tag in TAGS.items()
        if row.get(name) is not None
    ]


def test_every_number_of_the_history_is_an_event(make_trainer, tmp_path: Path) -> None:
    trainer = make_trainer(epochs=3, evaluate_every=4, callbacks=[TensorBoard(tmp_path)])
    rows = trainer.fit().rows
    assert any(row.get("mid_epoch") for row in rows)
    assert scalars(tmp_path) == expected(rows)
    tags = {tag for tag, _, _ in scalars(tmp_path)}
    assert {"loss/train", "loss/validation", "accuracy/validation", "optimizer/lr"} <= tags


def test_a_resumed_training_leaves_the_events_of_one_that_was_not_stopped(
    make_trainer, tmp_path: Path
) -> None:
    whole = make_trainer(epochs=5, callbacks=[TensorBoard(tmp_path / "whole")])
    whole.fit()
    stopped = make_trainer(epochs=3, callbacks=[TensorBoard(str(tmp_path / "parts"))])
    stopped.fit()
    state, arrays = stopped.state(), stopped.engine.state_dict()
    # An epoch more was told of, but its checkpoint was never written.
    stopped.epochs, stopped.stop_reason = 4, None
    stopped.fit()
    resumed = make_trainer(
        epochs=5, callbacks=[TensorBoard(tmp_path / "parts")], history=stopped.history
    )
    resumed.engine.load_state_dict(arrays)
    resumed.fit(resume_from=state)
    measured = {tag for name, tag in TAGS.items() if name != "images_per_s"}
    found, wanted = (
        [each for each in scalars(tmp_path / name) if each[0] in measured]
        for name in ("parts", "whole")
    )
    assert found == wanted
    times = [event.wall_time for event in events(tmp_path / "parts") if event.summary.value]
    assert times == sorted(times)
    assert times[-1] <= time.time()


def test_numbers_that_are_none_are_left_out(make_trainer, tmp_path: Path) -> None:
    trainer = make_trainer(epochs=1, callbacks=[TensorBoard(tmp_path)])
    trainer.validation = None
    trainer.fit()
    assert not any("validation" in tag for tag, _, _ in scalars(tmp_path))


def test_without_the_library_it_says_what_to_install(
    make_trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'handloom\[tensorboard\]'"):
        make_trainer(callbacks=[TensorBoard(tmp_path)]).fit()


def test_it_is_found_from_the_top() -> None:
    import handloom as hl

    assert hl.callbacks.TensorBoard is TensorBoard


def test_events_of_before_are_replaced_and_keep_their_times(
    make_trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of 2, 0 and 3 seconds, taken up at 1000; then epochs of a training that goes on."""
    old = tmp_path / "events.out.tfevents.1.another"
    old.write_bytes(b"of a run before")
    other = tmp_path / "notes.txt"
    other.write_text("not an event")
    trainer = make_trainer(epochs=3, evaluate_every=4)
    rows = trainer.fit().rows
    took = [2.0, None, 3.0]
    kept = [
        {name: value for name, value in row.items() if name != "seconds"}
        | ({} if seconds is None else {"seconds": seconds})
        for row, seconds in zip(rows[:3], took, strict=True)
    ]

    class Clock:
        @staticmethod
        def time() -> float:
            return 1000.0

    monkeypatch.setattr("handloom.training.callbacks.tensorboard.time", Clock)
    board = TensorBoard(tmp_path)
    board.on_fit_start(trainer)
    trainer.history.rows = kept
    board.on_epoch_start(trainer)
    trainer.history.rows = rows
    board.on_evaluation_end(trainer, rows[3])
    board.on_epoch_end(trainer)
    board.on_fit_end(trainer)
    assert not old.exists()
    assert other.exists()
    other.unlink()
    found = list(events(tmp_path))
    assert [e.session_log.status for e in found if e.HasField("session_log")] == [1]  # START
    assert [e.step for e in found if e.HasField("session_log")] == [0]
    times: dict[int, set[float]] = {}
    for event in found:
        if event.summary.value:
            times.setdefault(event.step, set()).add(event.wall_time)
    steps = [row["step"] for row in rows]
    assert times == {
        steps[0]: {997.0}, steps[1]: {997.0}, steps[2]: {1000.0},
        steps[3]: {1000.0}, trainer.history.epochs[-1]["step"]: {1000.0},
    }  # fmt: skip
