"""handloom export: what was written, told to a person and to a program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import onnxruntime
import pytest


@pytest.mark.parametrize("to", ["onnx", "safetensors", "torch"])
def test_it_tells_what_it_wrote(trained: Path, elsewhere: Path, handloom, to: str) -> None:
    outcome = handloom("export", trained, "--to", to)
    assert (outcome.code, outcome.err) == (0, "")
    written = sorted(path.name for path in elsewhere.iterdir())
    sizes = dict(re.findall(r"^(\S+), ([\d,]+) bytes$", outcome.out, re.MULTILINE))
    assert sorted(sizes) == written
    for name, size in sizes.items():
        assert int(size.replace(",", "")) == (elsewhere / name).stat().st_size
    agreed = "onnxruntime agrees with the network on 30 of the run's images: largest difference "
    assert (agreed in outcome.out) == (to == "onnx")


def test_a_program_reads_json(trained: Path, elsewhere: Path, handloom) -> None:
    told = json.loads(handloom("export", trained, "--to", "onnx", "--json").out)
    assert told["files"] == ["run.onnx"]
    assert 0 <= told["difference"] < 1e-4
    assert (told["pictures"], told["real"]) == (30, True)


def test_options_reach_the_file(trained: Path, elsewhere: Path, handloom) -> None:
    arguments = ["--to", "onnx", "--out", "net.onnx", "--pixels", "float32", "-q"]
    assert handloom("export", trained, *arguments).out == ""
    (taken,) = onnxruntime.InferenceSession(elsewhere / "net.onnx").get_inputs()
    assert (taken.name, taken.type) == ("pictures", "tensor(float)")


def test_noise_is_called_noise(trained: Path, bars: Path, elsewhere: Path, handloom) -> None:
    (bars.parent / "images.npy").unlink()
    outcome = handloom("export", trained, "--to", "onnx")
    assert "on 128 images of noise, since the run's own are not available" in outcome.out
