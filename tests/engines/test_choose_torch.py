"""When the torch engine is chosen, without a GPU and without PyTorch too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from handloom import nn, optim
from handloom._typing import FloatArray
from handloom.engines import (
    Choice,
    TorchSettings,
    TrainingSetup,
    choose,
    choose_engine,
    predicting_engine,
)
from handloom.engines.torch import TorchEngine, device
from handloom.errors import ConfigError


class Own(nn.Flatten):
    """A layer that PyTorch has no module for."""


def chosen(name: Any, first: type[nn.Layer] = nn.Flatten, **how: Any) -> Choice:
    rng = np.random.default_rng(0)
    net = nn.Sequential(first(), nn.Linear(12, 3, rng=rng))
    rule = optim.SGD(net.named_parameters(), 0.1)
    loss = how.pop("loss", nn.cross_entropy)
    setup = TrainingSetup(loss, rule, batch_size=8, threads=2, torch=TorchSettings(**how))
    return choose_engine(name, net, setup, input_shape=(1, 3, 4))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine where the engine seems to find a GPU, which is the CPU all the same."""

    class Seen(SimpleNamespace):
        type = "cuda"

    monkeypatch.setattr(choose, "gpu_likely", lambda: True)
    monkeypatch.setattr(device, "find_device", lambda name: Seen())
    monkeypatch.setattr(device, "describe_device", lambda found: "a GPU of this test's")


def own(outputs: FloatArray, labels: Any) -> tuple[float, FloatArray]:
    """A loss that PyTorch is not told of."""
    return nn.cross_entropy(outputs, labels)


def test_torch_is_torch() -> None:
    engine, notes = chosen("torch", device="cpu")
    assert isinstance(engine, TorchEngine)
    version = torch.__version__
    assert notes == (f"torch: as requested; PyTorch {version} on the CPU, 2 threads",)
    _, notes = chosen("torch", device="cpu", precision="bfloat16", loss=own)
    assert notes[0].endswith("on the CPU, 2 threads, bfloat16 autocast")
    assert notes[1] == "run by NumPy within the torch step: the loss"


def test_auto_looks_for_no_gpu_where_none_is_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "gpu_likely", lambda: False)
    monkeypatch.setattr(device, "find_device", None)  # importing PyTorch takes seconds
    assert chosen("auto").engine.name in ("loom", "numpy")


@pytest.mark.usefixtures("gpu")
def test_auto_is_torch_where_pytorch_sees_a_gpu() -> None:
    engine, notes = chosen("auto")
    assert engine.name == "torch"
    assert notes[0].startswith("torch: PyTorch sees a GPU of this test's; PyTorch ")
    assert chosen("auto", device="cpu").engine.name in ("loom", "numpy")


@pytest.mark.usefixtures("gpu")
def test_auto_passes_torch_over_where_a_layer_has_no_module_and_says_so() -> None:
    engine, notes = chosen("auto", Own)
    assert engine.name in ("loom", "numpy")
    assert notes[-1] == (
        "not torch, though PyTorch sees a GPU of this test's: it has no module for 0 (Own)"
    )
    with pytest.raises(ConfigError, match="layer 0 is a Own, for which there is no PyTorch module"):
        chosen("torch", Own, device="cpu")


@pytest.mark.parametrize("name", ["auto", "torch"])
def test_a_device_by_name_is_never_replaced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r'torch.device is "cuda", which is not available'):
        chosen(name, device="cuda")


def test_a_gpu_is_likely_where_a_driver_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    there: set[str] = set()
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in there)
    assert not choose.gpu_likely()
    there.add("/dev/nvidiactl")
    assert choose.gpu_likely()
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    assert not choose.gpu_likely()


@pytest.mark.parametrize(
    ("platform", "processor", "is_likely"),
    [
        ("darwin", "arm64", True), ("darwin", "x86_64", False), ("linux", "arm64", False),
        ("win32", "AMD64", True),
    ],
)  # fmt: skip
def test_a_gpu_is_likely_on_some_systems(
    platform: str, processor: str, is_likely: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(choose, "machine", lambda: processor)
    monkeypatch.setattr(Path, "exists", lambda path: False)
    asked: list[str] = []
    monkeypatch.setattr(choose, "find_spec", lambda name: asked.append(name) or object())
    assert choose.gpu_likely() == is_likely
    assert set(asked) <= {"torch"}


def test_at_hand_is_what_pytorch_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose.gpu_at_hand("cuda:1") == 'torch.device is "cuda:1"'
    monkeypatch.setattr(choose, "gpu_likely", lambda: False)
    assert choose.gpu_at_hand() is None
    monkeypatch.setattr(choose, "gpu_likely", lambda: True)
    asked: list[str] = []

    def found(name: str) -> Any:
        asked.append(name)
        return SimpleNamespace(type="mps")

    monkeypatch.setattr(device, "find_device", found)
    monkeypatch.setattr(device, "describe_device", lambda found: f"one of {found.type}")
    assert choose.gpu_at_hand() == "PyTorch sees one of mps"
    assert asked == ["auto"]
    monkeypatch.setattr(device, "find_device", lambda name: SimpleNamespace(type="cpu"))
    assert choose.gpu_at_hand() is None


def test_what_predicts_asks_for_pytorch_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "can_find", lambda name: True)
    monkeypatch.setattr(choose, "find_spec", lambda name: object() if name == "torch" else None)
    assert predicting_engine("torch", TorchSettings("mps")) == ("torch", TorchSettings("mps"))
    for name in ("auto", "loom"):  # trained elsewhere: no GPU is asked for
        assert predicting_engine(name, TorchSettings("mps")) == ("auto", TorchSettings("cpu"))
    assert predicting_engine("numpy", TorchSettings("mps")) == ("numpy", TorchSettings("cpu"))


def test_what_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = TorchSettings(device="cuda", compile=True)
    monkeypatch.setattr(device, "can_find", lambda name: name == "cpu")
    assert predicting_engine("numpy", cuda)[0] == "numpy"
    assert predicting_engine("loom", cuda) == ("auto", TorchSettings(device="cpu"))
    assert predicting_engine("torch", cuda) == ("torch", TorchSettings(device="auto"))
    on_cpu = TorchSettings(device="cpu")
    assert predicting_engine("torch", on_cpu) == ("torch", on_cpu)
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    assert predicting_engine("torch", cuda) == ("auto", TorchSettings(device="cpu"))


WITHOUT = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from handloom.run import session
session.draw = lambda run, parts: []  # images are not what is tested here
from handloom.cli.main import main
main()
"""


def test_without_pytorch_a_torch_recipe_names_the_pip_command(bars: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, "train", bars, "--out", tmp_path / "run"]
    done = subprocess.run([*command, "--engine", "torch"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "handloom: torch is not installed; it comes with: pip install 'handloom[torch]'\n"
    )
    assert not (tmp_path / "run").exists()
    done = subprocess.run([*command, "-q"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
