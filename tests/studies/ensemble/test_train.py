"""An ensemble in the making: killed and continued to the same bits, refused before it begins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import handloom as hl
from handloom.errors import ConfigError, HandloomError, InUseError, RunError
from handloom.run import RunLock
from handloom.series import Listener, Member
from handloom.studies.ensemble import resume_ensemble

PROGRAM = """
import os, signal, sys
import handloom as hl
from handloom.series import Listener

class Deadly(Listener):
    def on_progress(self, member, progress):
        if (member.name, progress.epoch) == ("fold-1-seed-2", 2):
            os.kill(os.getpid(), signal.SIGKILL)

hl.train_ensemble(sys.argv[1], folds=2, seeds=2, run_dir=sys.argv[2], listener=Deadly())
"""


def bits(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for pattern in ("*/checkpoints/*", "out-of-fold.npy", "ensemble.json")
        for path in folder.glob(pattern)
    }


def test_a_killed_ensemble_ends_in_the_bits_of_one_that_was_not(
    ensemble: hl.Ensemble, lasting_bars: Path, tmp_path: Path
) -> None:
    path = tmp_path / "killed"
    command = [sys.executable, "-c", PROGRAM, str(lasting_bars), str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    finished = sorted(file.parent.name for file in path.glob("*/result.json"))
    assert finished == ["fold-1-seed-1", "fold-2-seed-1"]
    assert not (path / "fold-2-seed-2").exists()
    trained: list[str] = []

    class Names(Listener):
        def on_begin(self, member: Member) -> None:
            trained.append(member.name)

    found = resume_ensemble(path, listener=Names())
    assert trained == ["fold-1-seed-2", "fold-2-seed-2"]
    assert bits(path) == bits(ensemble.path)
    for told in (found.result, wanted := ensemble.result):
        told.pop("seconds")
    assert found.result | {"seconds": 0} == wanted | {"seconds": 0}


def test_a_finished_ensemble_is_not_judged_again(own: hl.Ensemble) -> None:
    before = (own.path / "result.json").read_bytes()
    assert resume_ensemble(own.path).looks == 1
    assert (own.path / "result.json").read_bytes() == before
    (own.path / "result.json").unlink()
    assert (resume_ensemble(own.path).path / "result.json").read_bytes() == before


def test_one_process_an_ensemble(own: hl.Ensemble) -> None:
    with RunLock(own.path), pytest.raises(InUseError, match="is in use by process"):
        resume_ensemble(own.path)
    with pytest.raises(RunError, match="is not an ensemble"):
        resume_ensemble(own.path / "fold-1-seed-1")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"seeds": 1}, "an ensemble needs folds, or at least two seeds; seeds is 1"),
        ({"folds": 2, "seeds": 0}, "seeds is 0"),
        ({"folds": 1}, "data.folds is 1; it has to be a whole number from 2"),
        ({"folds": 100}, "folds need 2 <= k <= number of images, got k = 100 of 80"),
        ({"folds": 2, "overrides": {"data.sample": 0.5}}, "remove sample"),
        ({"seeds": 2, "overrides": {"data.folds": 2, "data.fold": 1}}, "has a fold of its own"),
        ({"seeds": 2, "overrides": {"data.images": "none.npy"}}, "none.npy"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    lasting_bars: Path, arguments: dict, told: str, tmp_path: Path
) -> None:
    with pytest.raises(HandloomError, match=told):
        hl.train_ensemble(lasting_bars, run_dir=tmp_path / "e", **arguments)
    assert not (tmp_path / "e").exists()


def test_a_folder_that_is_not_empty_is_refused(own: hl.Ensemble, lasting_bars: Path) -> None:
    with pytest.raises(RunError, match="is not empty; continue it with --resume"):
        hl.train_ensemble(lasting_bars, folds=2, run_dir=own.path)


def test_several_processes_are_refused(
    lasting_bars: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(ConfigError, match="start handloom without torchrun"):
        hl.train_ensemble(lasting_bars, folds=2, run_dir=tmp_path / "e")
