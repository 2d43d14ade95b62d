"""Run folders that are in use, damaged, or of another training."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from handloom.training import load_checkpoint, save_checkpoint


def test_a_folder_that_is_not_empty(place, refused):
    refused(
        ["train", place.recipe, "--out", place.run],
        tells="run is not empty; continue it with --resume … or choose another --out",
    )


def test_a_folder_below_a_file(place, refused):
    refused(
        ["train", place.recipe, "--out", place.recipe / "run"],
        tells="cannot make the folder … Not a directory",
    )


def test_a_file_as_a_folder(place, refused):
    refused(
        ["train", place.recipe, "--out", place.recipe],
        tells="bars.toml is a file; a run needs a folder of its own",
    )


def test_resume_and_out(place, refused):
    refused(
        ["train", "--resume", place.run, "--out", "elsewhere"],
        tells="--resume already gives the run; omit --out",
    )


def test_resume_of_a_folder_that_is_no_run(place, refused):
    refused(
        ["train", "--resume", place.data], tells="bars is not a run folder: it has no recipe.toml"
    )


def test_resume_in_a_folder_of_other_things(place, refused):
    refused(
        ["train", place.recipe, "--resume", place.data],
        tells="bars is not a run folder: it contains bars.toml",
    )


def test_resume_of_nothing(place, refused):
    refused(
        ["train", place.recipe, "--resume", "nowhere"],
        tells="nowhere does not exist; omit --resume to start it",
    )


def test_resume_with_another_recipe(place, refused):
    changes = ["-o", "training.epochs=9", "-o", "optimizer.lr=0.5"]
    refused(
        ["train", place.recipe, *changes, "--resume", place.run],
        tells="was started with another recipe: optimizer.lr, training.epochs differ; omit the",
    )


def test_resume_with_changes(place, refused):
    arguments = ["train", "--resume", place.run, "--seed", "3"]
    refused(arguments, tells="a run resumes with its own recipe; omit the changes")


def test_resume_with_changed_data(place, refused):
    images = np.load(place.data / "images.npy")
    np.save(place.data / "images.npy", 255 - images)
    refused(
        ["train", "--resume", place.run],
        tells="the train split has changed since (60 images then",
    )


def test_a_run_that_is_not_there(place, refused):
    refused(["test", "nowhere"], tells="nowhere is not a run folder: it has no recipe.toml")


def test_a_test_on_changed_data(place, refused):
    place.change("test-labels.csv", lambda data: b"image_id,label\n0,2\n" + data.split(b"\n", 2)[2])
    refused(["test", place.run], tells="the test split has changed since")


def damage(path: Path, edit: Callable[[bytearray], bytearray]) -> None:
    path.write_bytes(edit(bytearray(path.read_bytes())))


def flipped(data: bytearray) -> bytearray:
    data[-3] ^= 1
    return data


def test_a_checkpoint_with_a_flipped_bit(place, refused):
    damage(place.run / "checkpoints" / "last.safetensors", flipped)
    refused(
        ["train", "--resume", place.run],
        tells="last.safetensors is damaged: its content has changed since it was written",
    )


def test_a_truncated_checkpoint(place, refused):
    damage(place.run / "checkpoints" / "last.safetensors", lambda data: data[:-10])
    refused(["train", "--resume", place.run], tells="last.safetensors is damaged")


def test_an_empty_checkpoint(place, refused):
    damage(place.run / "checkpoints" / "last.safetensors", lambda data: data[:0])
    refused(["train", "--resume", place.run], tells="last.safetensors is damaged")


def test_the_checkpoint_of_another_network(place, refused):
    path = place.run / "checkpoints" / "last.safetensors"
    kept = load_checkpoint(path)
    name = "model.1.weight"
    save_checkpoint(path, {**kept.tensors, name: kept.tensors[name][:4]}, kept.state)
    refused(["train", "--resume", place.run], tells="last.safetensors belongs to another network")


def test_the_weights_of_another_network(place, refused):
    path = place.run / "checkpoints" / "best.safetensors"
    save_checkpoint(path, {"0.weight": np.zeros(3, np.float32)}, {"epoch": 1, "step": 1})
    refused(
        ["predict", place.run, "--input", place.data / "test-images.npy"],
        tells="best.safetensors belongs to another network",
    )


def test_weights_that_are_not_finite(place, refused):
    path = place.run / "checkpoints" / "best.safetensors"
    kept = load_checkpoint(path)
    kept.tensors["1.weight"][0, 0] = np.nan
    save_checkpoint(path, kept.tensors, kept.state)
    refused(
        ["test", place.run], tells="best.safetensors: 1.weight contains numbers that are not finite"
    )


def test_a_checkpoint_of_a_newer_handloom(place, refused):
    path = place.run / "checkpoints" / "best.safetensors"
    path.write_bytes(path.read_bytes().replace(b'\\"format\\": 1', b'\\"format\\": 2'))
    refused(["test", place.run], tells="newer than this handloom's 1: upgrade handloom")


def test_a_run_without_weights(place, refused):
    (place.run / "checkpoints" / "best.safetensors").unlink()
    refused(["test", place.run], tells="best.safetensors does not exist")


def test_data_json_without_its_keys(place, refused):
    (place.run / "data.json").write_text("{}")
    refused(
        ["predict", place.run, "--input", place.data / "test-images.npy"],
        tells="data.json is damaged: it has no 'class_names'",
    )


def test_a_torn_result(place, refused):
    (place.run / "result.json").write_text('{"test": ')
    refused(["test", place.run], tells="result.json cannot be read")


def test_damaged_metrics(place, refused):
    (place.run / "metrics.jsonl").write_text("[1]\n")
    refused(["train", "--resume", place.run], tells="metrics.jsonl, line 1: not a row of metrics")


def test_a_test_without_a_test_part(place, refused):
    text = (place.run / "recipe.toml").read_text().splitlines()
    kept = [line for line in text if not line.startswith("test_")]
    (place.run / "recipe.toml").write_text("\n".join(kept))
    described = json.loads((place.run / "data.json").read_text())
    described["fingerprints"]["test"] = None
    (place.run / "data.json").write_text(json.dumps(described))
    refused(["test", place.run], tells="its data have no test split")


HOLD = (
    "import sys, time; from pathlib import Path; from handloom.run import RunLock\n"
    "with RunLock(Path(sys.argv[1])):\n print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def holder(trained: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(trained)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_in_use_names_who_uses_it(place, holder: subprocess.Popen[str], refused) -> None:
    holding = f"run is in use by process {holder.pid} on {socket.gethostname()}; wait for it"
    refused(["train", "--resume", place.run], tells=holding)


def test_the_same_from_a_process_of_its_own(place, start) -> None:
    process = start("train", place.recipe, "--out", place.run)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"handloom: {place.run} is not empty; ")
    assert err.count("\n") == 1


def test_a_bug_keeps_its_traceback(place, handloom, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("handloom.run.RunFolder.open", broken)
    with pytest.raises(ZeroDivisionError):
        handloom("test", place.run)
