"""handloom gradcheck: one row per layer, and a wrong gradient is told."""

from __future__ import annotations

import json

import pytest

from handloom import nn


def test_a_row_a_layer_and_one_for_all(bars, handloom) -> None:
    outcome = handloom("gradcheck", bars)
    header, _, *rows = outcome.out.splitlines()
    assert header.split()[:4] == ["layer", "kind", "output", "weights"]
    assert [row.split()[1] for row in rows[:4]] == ["Flatten", "Linear", "ReLU", "Linear"]
    assert rows[-1].startswith("network + loss   Sequential")
    assert all(row.endswith("ok") for row in rows)
    assert outcome.code == 0


def test_json_and_silence(bars, handloom) -> None:
    told = json.loads(handloom("gradcheck", bars, "--json", "-o", "model.activation=tanh").out)
    assert told["passed"] is True
    assert told["max_rel_error"] < 1e-6
    assert told["rows"][1] == told["rows"][1] | {
        "layer": "1", "kind": "Linear", "output_shape": [8], "parameters": 296,
    }  # fmt: skip
    assert handloom("gradcheck", bars, "-q").out == ""


def test_more_examples_than_pictures(bars, handloom) -> None:
    assert handloom("gradcheck", bars, "--examples", "64", "-q").code == 0


def test_a_wrong_gradient_is_told(bars, handloom, monkeypatch: pytest.MonkeyPatch) -> None:
    right = nn.Linear.backward

    def wrong(self: nn.Linear, dy):
        dx = right(self, dy)
        self.weight.grad *= 1.001
        return dx

    monkeypatch.setattr(nn.Linear, "backward", wrong)
    outcome = handloom("gradcheck", bars)
    assert outcome.code == 2
    assert outcome.err.startswith("handloom: a gradient is wrong: ")
    assert "weight" in outcome.err
    assert [line.split()[1] for line in outcome.out.splitlines() if line.endswith("WRONG")] == [
        "Linear",
        "Linear",
        "+",
    ]
