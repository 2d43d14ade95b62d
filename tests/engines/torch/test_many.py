"""`handloom train` in several processes: the curve of one, one writer, and any number goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import Ended, launch

import handloom as hl
from handloom.training import History, load_checkpoint

pytest.importorskip("torch")

PROGRAM = """
import signal, sys
from pathlib import Path

import handloom as hl
from handloom.run import session
from handloom.cli.main import main
from handloom.engines.processes import find_place
from handloom.training.callbacks import Callback
import handloom.engines.torch.engine, handloom.engines.torch.world
import torch._dynamo  # which DistributedDataParallel would import, in every process anew

RANK = find_place().rank
OVERRIDES = {
    "engine": "torch", "model.norm": "batch", "model.dropout": 0.2, "training.ema": 0.9,
    "training.evaluate_every": 3, "optimizer.clip_norm": 0.5, "augment.flip": 0.5,
    "training.epochs": 3, "training.plateau.patience": 1,
}
session.draw = lambda run, parts: []  # images are not what is tested here

class Stop(Exception):
    pass

class StopsAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch
    def on_epoch_start(self, training):
        if training.epoch == self.epoch:
            raise Stop

def train(recipe, path):
    run = hl.train(recipe, overrides=OVERRIDES, run_dir=path)
    assert run.is_finished, "whoever gets the run can read its result"

def train_in_part(recipe, path):
    try:
        hl.train(recipe, overrides=OVERRIDES, run_dir=path, callbacks=[StopsAt(2)])
    except (Stop, SystemExit):
        return
    raise AssertionError("it was stopped")

def go_on(path):
    assert hl.resume(path).is_finished

class Asks(Callback):
    def __init__(self, rank):
        self.rank = rank
    def on_epoch_end(self, training):
        if RANK == self.rank and training.epoch == 2:
            training.request_stop(f"process {RANK} has had enough")

def asked_to_stop(recipe, path, rank):
    hl.train(recipe, overrides=OVERRIDES, run_dir=path, callbacks=[Asks(int(rank))])

def with_other_data(recipe, path):
    load = session.assemble.load_parts
    def other(*given):
        parts = load(*given)
        parts.train.labels[0] = (parts.train.labels[0] + find_place().rank) % 3
        return parts
    session.assemble.load_parts = other
    command("train", recipe, "--out", path, "--engine", "torch")

def train_by_command(recipe, path):
    command("train", recipe, "--out", path, "--engine", "torch", "-o", "training.batch_size=59")

def command(*words):
    sys.argv = ["handloom", *words]
    main()
"""
TRAININGS = ("one", "two", "one-then-three", "two-then-one", "two-then-two")
LONG = ("stop two", "two-then-one", "uneven one", "uneven two")
"""With --slow: each has processes of its own, and what they show is like what the others do."""


@pytest.fixture(scope="module")
def trained(lasting_bars: Path, request: pytest.FixtureRequest) -> dict[str, list[Ended]]:
    """All trainings of this module, by what they are; each left a run folder of that name."""
    folder = lasting_bars.parent
    said, runs = str(lasting_bars), {name: str(folder / name) for name in TRAININGS}
    cases: dict[str, tuple[int | str, ...]] = {
        "one": (1, "train", said, runs["one"]),
        "two": (2, "train", said, runs["two"]),
        "stop one": (1, "train_in_part", said, runs["one-then-three"]),
        "one-then-three": (3, "go_on", runs["one-then-three"]),
        "stop two": (2, "train_in_part", said, runs["two-then-one"]),
        "two-then-one": (1, "go_on", runs["two-then-one"]),
        "stop two again": (2, "train_in_part", said, runs["two-then-two"]),
        "two-then-two": (2, "go_on", runs["two-then-two"]),
        "first asks": (2, "asked_to_stop", said, str(folder / "first-asks"), "0"),
        "second asks": (2, "asked_to_stop", said, str(folder / "second-asks"), "1"),
        "numpy": (2, "command", "train", said, "--engine", "numpy", "--out", str(folder / "no")),
        "small": (
            3, "command", "train", said, "--engine", "torch", "--out", str(folder / "no"),
            "-o", "training.batch_size=2",
        ),
        "uneven one": (1, "train_by_command", said, str(folder / "uneven-one")),
        "uneven two": (2, "train_by_command", said, str(folder / "uneven-two")),
        "no run": (2, "command", "train", "--resume", str(folder / "nowhere")),
        "flags": (2, "command", "train", "--resume", said, "--out", said),
        "other data": (2, "with_other_data", said, str(folder / "other")),
    }  # fmt: skip
    if not request.config.getoption("--slow"):
        cases = {name: case for name, case in cases.items() if name not in LONG}
    return dict(zip(cases, launch(PROGRAM, folder, *cases.values()), strict=True))


def rows(path: Path) -> list[dict[str, float]]:
    clock = ("seconds", "images_per_s")
    return [
        {name: value for name, value in row.items() if name not in clock}
        for row in History.read(path / "metrics.jsonl").rows
    ]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in TRAININGS],
)
def test_the_curve_is_that_of_one_process(
    name: str, trained: dict[str, list[Ended]], lasting_bars: Path
) -> None:
    assert {process.code for process in trained[name]} == {0}, trained[name]
    found, expected = rows(lasting_bars.parent / name), rows(lasting_bars.parent / "one")
    assert len(found) == len(expected) > 6, "three epochs, and evaluations within"
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, rel=2e-4, abs=1e-6)
    for kept in ("best", "last"):
        ours, theirs = (
            load_checkpoint(
                lasting_bars.parent / run / "checkpoints" / f"{kept}.safetensors"
            ).tensors
            for run in (name, "one")
        )
        assert ours.keys() == theirs.keys()
        for key, array in theirs.items():
            np.testing.assert_allclose(ours[key], array, rtol=1e-3, atol=2e-5, err_msg=key)
    ours, theirs = (hl.open_run(lasting_bars.parent / run).result for run in (name, "one"))
    assert ours["test"]["accuracy"] == theirs["test"]["accuracy"]
    assert ours["test"]["evaluations"] == 1


@pytest.mark.slow
def test_a_process_may_have_nothing_of_a_batch(
    trained: dict[str, list[Ended]], lasting_bars: Path
) -> None:
    """59 and 1 of 60 images; the table of epochs is printed once."""
    one, two = (rows(lasting_bars.parent / f"uneven-{name}") for name in ("one", "two"))
    for row, other in zip(two, one, strict=True):
        assert row == pytest.approx(other, rel=1e-5)
    first, second = trained["uneven two"]
    assert (second.code, second.out, second.err) == (0, "", "")
    assert len(first.out.splitlines()) == len(trained["uneven one"][0].out.splitlines())


def test_as_many_processes_go_on_to_the_same_bits(
    trained: dict[str, list[Ended]], lasting_bars: Path
) -> None:
    whole, resumed = (lasting_bars.parent / name for name in ("two", "two-then-two"))
    for name in ("best", "last"):
        file = f"checkpoints/{name}.safetensors"
        assert (resumed / file).read_bytes() == (whole / file).read_bytes()
    assert rows(resumed) == rows(whole)


def test_one_process_alone_writes_and_none_prints(
    trained: dict[str, list[Ended]], lasting_bars: Path
) -> None:
    def entries(name: str) -> set[str]:
        path = lasting_bars.parent / name
        return {str(entry.relative_to(path)) for entry in path.rglob("*")}

    assert entries("two") == entries("one")
    there = [trained[name] for name in TRAININGS if name in trained]
    assert not any(process.out for ended in there for process in ended)
    environment = json.loads((lasting_bars.parent / "two" / "environment.json").read_text())
    assert "2 processes" in environment["engine"][0]


@pytest.mark.parametrize(("who", "epochs"), [("first", 2), ("second", 3)])
def test_the_first_process_says_when_to_stop(
    who: str, epochs: int, trained: dict[str, list[Ended]], lasting_bars: Path
) -> None:
    assert {process.code for process in trained[f"{who} asks"]} == {0}
    assert len(History.read(lasting_bars.parent / f"{who}-asks" / "metrics.jsonl").epochs) == epochs


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("numpy", 'engine is "numpy", which trains in one process, and 2 were started'),
        ("small", "training.batch_size = 2 leaves some of 3 processes without an image"),
        ("no run", "is not a run folder: it has no recipe.toml"),
        ("flags", "--resume already gives the run"),
        ("other data", "the train split has changed since"),
    ],
)
def test_a_mistake_is_told_once_and_leaves_nothing_behind(
    name: str, said: str, trained: dict[str, list[Ended]], lasting_bars: Path
) -> None:
    assert {process.code for process in trained[name]} == {2}, trained[name]
    spoken = [line for process in trained[name] for line in process.err.splitlines()]
    assert len(spoken) == 1, spoken
    assert spoken[0].startswith("handloom: ")
    assert said in spoken[0]
    assert not (lasting_bars.parent / "no").exists()


@pytest.mark.slow  # the launcher and each process import PyTorch: four times three seconds
def test_torchrun_starts_the_command(lasting_bars: Path, tmp_path: Path) -> None:
    """The real launcher: one answer on standard output, and a run that anybody can open."""
    command = str(Path(sys.executable).with_name("handloom"))
    words = ["train", str(lasting_bars), "--out", str(tmp_path / "run"), "--engine", "torch"]
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            "--no-python", command, *words, "--json",
        ],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["engine"] == "torch"
    assert hl.open_run(tmp_path / "run").result["test"] == answer["test"]
