"""docs/adding.md: its steps for an activation are followed on a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import handloom

PAGE = (Path(__file__).parents[1] / "docs/adding.md").read_text(encoding="utf-8")
STEP = re.compile(
    r"(?:Append to `(?P<end>[^`]+)`|In `(?P<file>[^`]+)`, after `(?P<after>[^`]+)`):\n\n"
    r"```python\n(?P<code>.*?)```",
    re.DOTALL,
)
PROGRAM = """
import numpy as np
import handloom as hl
from handloom.nn.gradcheck import gradcheck
assert {copy!r} in hl.__file__
rng = np.random.default_rng(0)
assert gradcheck(hl.nn.Softsign(), rng.normal(size=(4, 5)), rng=rng).passed
layers = [{{"layer": "flatten"}}, {{"layer": "linear", "out_features": 16}},
          {{"layer": "softsign"}}, {{"layer": "linear", "out_features": 10}}]
settings = {{"model": {{"name": "sequential", "layers": layers}}, "training.epochs": 2,
            "training.threads": 1, "loss.name": "cross-entropy"}}
losses = {{}}
for engine in {engines!r}:
    changes = {{**settings, "engine": engine}}
    run = hl.train("digits", overrides=changes, run_dir=engine, pictures=False)
    losses[engine] = run.history.epochs[-1]["val_loss"]
    assert run.history.epochs[-1]["val_accuracy"] > 0.7
assert max(losses.values()) - min(losses.values()) < 1e-4, losses
"""


def test_the_steps_for_an_activation_lead_to_one(tmp_path: Path) -> None:
    package = tmp_path / "src" / "handloom"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(handloom.__file__).parent, package, ignore=ignored)
    steps = list(STEP.finditer(PAGE))
    touched = {step["end"] or step["file"] for step in steps}
    assert len(touched) == 4, "an activation touches four files"
    for step in steps:
        path = package / (step["end"] or step["file"])
        text = path.read_text(encoding="utf-8")
        if step["end"]:
            text = f"{text}\n\n{step['code']}"
        else:
            assert text.count(f"{step['after']}\n") == 1, step["after"]
            text = text.replace(f"{step['after']}\n", f"{step['after']}\n{step['code']}")
        path.write_text(text, encoding="utf-8")
    machine = pytest.importorskip("handloom.loom.language.machine")
    engines = ["numpy", *([] if machine.unsupported() else ["loom"])]
    program = PROGRAM.format(copy=str(tmp_path), engines=engines)
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
