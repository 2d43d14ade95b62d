"""hl.export: the right files at the right places, proved before they are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import handloom as hl
from handloom.errors import ConfigError, MissingExtraError, RunError
from handloom.exchange.onnx import check
from handloom.run.results import Run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("to", "files"),
    [
        ("onnx", ["run.onnx"]),
        ("safetensors", ["run.safetensors"]),
        ("torch", ["run.py", "run.safetensors"]),
    ],
)
def test_files_are_named_after_the_run(run: Run, here: Path, to, files: list[str]) -> None:
    done = hl.export(run.path, to)
    assert [str(path) for path in done.files] == files
    assert sorted(path.name for path in here.iterdir()) == files
    assert (done.difference is not None) == (to == "onnx")


def test_an_onnx_file_predicts_as_the_run_does(run: Run, here: Path) -> None:
    done = hl.export(run, "onnx", here / "net.onnx")
    part = run.parts().test
    assert part is not None
    assert (done.real, done.pictures) == (True, 30)
    session = onnxruntime.InferenceSession(here / "net.onnx")
    names = ["logits", "probabilities"]
    logits, probabilities = session.run(names, {"pictures": part.images[:, None]})
    np.testing.assert_allclose(logits, run.predict_outputs(part.images), atol=1e-5)
    np.testing.assert_allclose(probabilities, run.predict_probabilities(part.images), atol=1e-6)


def test_an_onnx_file_that_takes_floats(run: Run, here: Path) -> None:
    hl.export(run, "onnx", here / "net.onnx", pixels="float32")
    (taken,) = onnxruntime.InferenceSession(here / "net.onnx").get_inputs()
    assert taken.type == "tensor(float)"


def test_without_the_runs_data_noise_stands_in(run: Run, bars: Path) -> None:
    (bars.parent / "test-images.npy").unlink()
    done = hl.export(run, "onnx")
    assert not done.real
    assert done.pictures > 0
    assert done.difference is not None


def test_changed_data_do_not_stand_in_its_way(run: Run, bars: Path) -> None:
    images = np.load(bars.parent / "images.npy")
    np.save(bars.parent / "images.npy", 255 - images)
    assert not hl.export(run, "onnx").real


def test_a_form_that_is_not_known(run: Run, here: Path) -> None:
    with pytest.raises(ConfigError, match="'tflite' is not an export format; use one of onnx, saf"):
        hl.export(run, "tflite")  # type: ignore[arg-type]
    assert not list(here.iterdir())


def test_what_fails_its_proof_is_not_written(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "run.onnx").write_text("what was there")

    def wrong(model: bytes, images: np.ndarray) -> check.Outputs:
        return np.ones((len(images), 3)), np.ones((len(images), 3))

    monkeypatch.setattr(check, "run_model", wrong)
    with pytest.raises(RunError, match="no file was written"):
        hl.export(run, "onnx")
    assert [path.read_text() for path in here.iterdir()] == ["what was there"]


def test_a_file_that_is_there_is_replaced(run: Run, here: Path) -> None:
    (here / "net.py").write_text("old")
    hl.export(run, "torch", "net.py")
    assert "class Classifier" in (here / "net.py").read_text()


def test_a_name_that_python_cannot_import_is_mended(run: Run, here: Path) -> None:
    odd = run.path.rename(run.path.with_name("3-layers (best)"))
    (module, weights) = hl.export(odd, "torch").files
    assert (module.name, weights.name) == (
        "classifier_3_layers__best_.py", "classifier_3_layers__best_.safetensors",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["3-layers.py", "net.txt", "class.py", "net"])
def test_a_name_that_python_cannot_import_is_refused(run: Run, here: Path, name: str) -> None:
    with pytest.raises(RunError, match="cannot be imported; choose a name like"):
        hl.export(run, "torch", name)
    assert not list(here.iterdir())


def test_a_folder_is_no_file(run: Run, here: Path) -> None:
    with pytest.raises(RunError, match="is not a file; give one to write with --out"):
        hl.export(run, "onnx", here)


def test_without_onnx_it_says_how_to_get_it(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'handloom\[onnx\]'"):
        hl.export(run, "onnx")
    assert not list(here.iterdir())
    hl.export(run, "safetensors")
    hl.export(run, "torch")
