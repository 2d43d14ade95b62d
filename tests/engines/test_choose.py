"""Which engine is chosen, what a person is told about it, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom._typing import Shape
from handloom.data import Normalisation
from handloom.engines import Choice, NumpyEngine, TrainingSetup, choose_engine
from handloom.engines.loom import partly
from handloom.errors import ConfigError

MISSING = "llvmlite is not installed; pip install llvmlite"


class Compiled:
    """Stands for the loom: keeps what it was made of."""

    name = "loom"
    compile_seconds = 0.4321
    uncovered: tuple[str, ...] = ()

    def __init__(self, model: Any, setup: TrainingSetup, *, input_shape: Shape) -> None:
        self.setup, self.input_shape = setup, input_shape


@pytest.fixture
def loom(monkeypatch: pytest.MonkeyPatch) -> type[Compiled]:
    monkeypatch.setattr(partly, "compile_engine", Compiled)
    monkeypatch.setattr(partly, "refusal", lambda: None)
    return Compiled


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partly, "refusal", lambda: MISSING)


def choose(name: Any, **settings: Any) -> Choice:
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3, rng=rng))
    rule = optim.SGD(net.named_parameters(), 0.1)
    setup = TrainingSetup(nn.cross_entropy, rule, **{"batch_size": 8, "threads": 2, **settings})
    return choose_engine(name, net, setup, input_shape=(1, 3, 4))


def test_numpy_is_numpy(loom: type[Compiled]) -> None:
    engine, notes = choose("numpy", clip_norm=1.0, clip_value=2.0, ema=0.9)
    assert isinstance(engine, NumpyEngine)
    setup = engine.setup
    assert (setup.clip_norm, setup.clip_value, setup.ema) == (1.0, 2.0, 0.9)
    assert notes == ("numpy: as requested",)


@pytest.mark.parametrize("name", ["auto", "loom"])
def test_the_loom_is_taken_where_it_runs(name: str, loom: type[Compiled]) -> None:
    scale = Normalisation("scale")
    engine, notes = choose(name, normalisation=scale, ema=0.9)
    assert isinstance(engine, loom)
    assert engine.input_shape == (1, 3, 4)
    setup = engine.setup
    assert (setup.batch_size, setup.threads, setup.normalisation) == (8, 2, scale)
    assert (setup.ema, setup.soft_targets) == (0.9, False)
    assert notes == ("loom: compiled for this processor in 0.43 s, 2 threads",)


def test_what_is_not_compiled_is_told(
    loom: type[Compiled], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loom, "uncovered", ("3 (Mine)", "loss nll"))
    _, notes = choose("auto", threads=1)
    assert notes == (
        "loom: compiled for this processor in 0.43 s, 1 thread",
        "run by NumPy within the loom step: 3 (Mine), loss nll",
    )


@pytest.mark.usefixtures("refused")
def test_where_the_loom_cannot_run_auto_is_numpy_and_says_why() -> None:
    engine, notes = choose("auto", clip_norm=1.0)
    assert isinstance(engine, NumpyEngine)
    assert engine.setup.clip_norm == 1.0
    assert notes == (f"numpy: {MISSING}",)


@pytest.mark.usefixtures("refused")
def test_where_the_loom_cannot_run_it_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="cannot run here: llvmlite is not installed") as caught:
        choose("loom")
    assert 'or train with engine = "numpy"' in str(caught.value)


def test_without_llvmlite_the_embedded_digits_still_train() -> None:
    program = """
import sys
sys.modules["llvmlite"] = None  # as if it were not installed
from handloom import load_recipe
from handloom.run import assemble
recipe = load_recipe("digits", {"data.sample": 0.1})
engine, notes = assemble.build_engine(recipe, assemble.load_parts(recipe))
print(engine.name, *notes, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "numpy", done.stderr
    assert "llvmlite is not installed" in done.stdout
