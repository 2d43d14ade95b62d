"""A run's classifier, written in the form of another tool."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from handloom._files import can_become_file, write_atomic
from handloom._optional import require
from handloom._typing import UInt8Array
from handloom.data import with_channels
from handloom.errors import ConfigError, DataError, RunError
from handloom.exchange.portable import PortableClassifier
from handloom.exchange.weights_file import write_weights
from handloom.run.results import Run, open_run

if TYPE_CHECKING:
    from handloom.exchange.onnx.model import Pixels

Target = Literal["onnx", "safetensors", "torch"]
CHECKED = 128
"""Images that an ONNX file is proved on: textbook convolutions take their time."""


class Exported(NamedTuple):
    """What was written, and how an ONNX file was proved."""

    files: tuple[Path, ...]
    difference: float | None = None
    """Largest difference of a logit or a probability between onnxruntime and the network."""
    pictures: int = 0
    """How many images that was seen on."""
    real: bool = False
    """Whether they are the run's own; else noise, for its data are not on this machine."""


def export(
    run: str | Path | Run,
    to: Target,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    pixels: Pixels = "uint8",
) -> Exported:
    """Write the best weights of a run as `out`, by default a file of the run's name, here.

    onnx         the whole classifier, proved by onnx.checker and on images by onnxruntime before
                 the file is in its place; `pixels` is what the images come as; see
                 `exchange/onnx/model.py`
    safetensors  the weights, and in the metadata all that predicting takes
    torch        a Python module, and its weights beside it, for PyTorch without Handloom

    A file that is there is replaced, at once. Raises MissingExtraError where onnx is not installed,
    ConfigError for a layer that has no form there, RunError where the file cannot be written.
    """
    if to not in get_args(Target):
        raise ConfigError(
            f"{to!r} is not an export format; use one of {', '.join(get_args(Target))}"
        )
    if data_dir is not None and to != "onnx":
        raise ConfigError(f"{to} needs no images; omit the data folder")
    trained = run if isinstance(run, Run) else open_run(run)
    classifier = PortableClassifier.of(trained)
    path = _default(classifier.name, to) if out is None else Path(out)
    _check_output(path, to)
    if to == "onnx":
        return _write_onnx(path, classifier, trained, data_dir, pixels)
    if to == "torch":
        return _write_torch(path, classifier)
    write_weights(path, classifier)
    return Exported((path,))


def _write_onnx(
    path: Path,
    classifier: PortableClassifier,
    run: Run,
    data_dir: str | Path | None,
    pixels: Pixels,
) -> Exported:
    """Build, prove, then write."""
    for module in ("onnx", "onnxruntime"):
        require(module, extra="onnx")
    from handloom.exchange.onnx.check import check_model
    from handloom.exchange.onnx.model import build_model

    model = build_model(classifier, pixels=pixels).SerializeToString(deterministic=True)
    own = _pictures(run, data_dir)
    images = _noise(classifier) if own is None else own
    difference = check_model(model, classifier, images)
    write_atomic(path, model)
    return Exported((path,), difference, len(images), real=own is not None)


def _write_torch(path: Path, classifier: PortableClassifier) -> Exported:
    """The weights first: a module whose weights are missing would be half an output."""
    from handloom.exchange.torch.module import module_source

    weights = path.with_suffix(".safetensors")
    source = module_source(classifier, path.stem, weights.name)
    write_weights(weights, classifier)
    write_atomic(path, source.encode())
    return Exported((path, weights))


def _pictures(run: Run, data_dir: str | Path | None) -> UInt8Array | None:
    """Some of the run's test images, or validation's; None where its data are not here now."""
    try:
        parts = run.parts(data_dir)
    except (DataError, RunError):
        if data_dir is not None:
            raise
        return None
    shown = parts.validation if parts.test is None else parts.test
    return with_channels(shown.images[:CHECKED])


def _noise(classifier: PortableClassifier) -> UInt8Array:
    shape = (CHECKED, *classifier.image_shape)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _default(name: str, to: Target) -> Path:
    """The run's name in the current folder; of a module, a name that Python can import."""
    if to != "torch":
        return Path(f"{name}.{to}")
    word = re.sub(r"\W", "_", name)
    return Path(f"{word}.py" if word.isidentifier() else f"classifier_{word}.py")


def _check_output(path: Path, to: Target) -> None:
    """Refuse what could not be written or used, before there is work done for it."""
    if not can_become_file(path):
        raise RunError(f"{path} is not a file; give one to write with --out")
    importable = path.stem.isidentifier() and not keyword.iskeyword(path.stem)
    if to == "torch" and not (path.suffix == ".py" and importable):
        raise RunError(
            f"{path.name} cannot be imported; choose a name like my_network.py, with "
            "letters, digits and underscores"
        )
