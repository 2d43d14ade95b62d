"""docs/exchange.md: its commands and programs run, one after another."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.cli.main import main
from handloom.exchange import PortableClassifier
from handloom.exchange.onnx import WRITERS
from handloom.exchange.onnx.check import check_model
from handloom.exchange.onnx.model import build_model
from handloom.exchange.torch import SPELLINGS
from handloom.exchange.torch.network import spell
from handloom.run import session

PAGE = (Path(__file__).parents[2] / "docs/exchange.md").read_text(encoding="utf-8")
QUICK = ["-o", "training.epochs=2", "--engine", "numpy"]


def assert_crosses(layer: nn.Layer, make_classifier: Any, rng: Generator) -> None:
    """The page's own layer is computed by onnxruntime and by PyTorch as it is by itself."""
    classifier: PortableClassifier = make_classifier(
        [nn.Flatten(), layer, nn.Linear(84, 3, rng=rng)]
    )
    images = rng.integers(0, 256, (4, 2, 7, 6), np.uint8)
    check_model(build_model(classifier).SerializeToString(), classifier, images)
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "Tensor": torch.Tensor}
    spelled = spell(layer)
    for definition in spelled.definitions:
        exec(definition, names)
    x = rng.standard_normal((3, 4)).astype(np.float32)
    found = eval(str(spelled.call), names)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, layer.forward(x), rtol=1e-6)


def test_the_page_runs(
    make_classifier: Any,
    rng: Generator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(session, "draw", lambda run, parts: [])
    blocks = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    for language, text in blocks:
        if language == "python":
            exec(compile(text, "docs/exchange.md", "exec"), names)
            continue
        for line in text.splitlines():
            command = shlex.split(line)
            monkeypatch.setattr(sys, "argv", command + (QUICK if command[1] == "train" else []))
            with pytest.raises(SystemExit) as stopped:
                main()
            assert not stopped.value.code, line
    made = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert made == {"digits.onnx", "my_digits.py", "my_digits.safetensors", "weights.safetensors"}
    assert "True 4\n" in capsys.readouterr().out, "what the last program prints"
    sys.modules.pop("my_digits")
    try:
        assert_crosses(names["Square"](), make_classifier, rng)
    finally:
        for registry in (WRITERS, SPELLINGS):
            registry.pop(names["Square"])
