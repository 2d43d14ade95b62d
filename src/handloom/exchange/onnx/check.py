"""Proof of an ONNX model: its form by onnx.checker, its numbers by onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from handloom import nn
from handloom._typing import FloatArray, UInt8Array
from handloom.data import with_channels
from handloom.errors import RunError
from handloom.exchange.portable import PortableClassifier

TOLERANCE = 1e-4
"""Largest difference of a score, in units of the largest score where that is above 1."""

Outputs = tuple[FloatArray, FloatArray]
"""Logits and probabilities, both (N, K)."""


def check_model(model: bytes, classifier: PortableClassifier, images: UInt8Array) -> float:
    """Raise RunError unless onnxruntime makes of `images` what the layers of the network make.

    `images` (N, C, H, W) or (N, H, W), uint8, N above 0; they run at once, and the first of them by
    itself. Returns the largest difference of a logit or a probability.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RunError(f"the ONNX model is not well formed: {error}") from error
    images = with_channels(images)
    logits = classifier.network.forward(classifier.normalisation(images))
    probabilities = nn.softmax(logits)
    worst = 0.0
    for some in (slice(None), slice(1)):
        found = run_model(model, images[some])
        _check_agreement(found[0], logits[some])
        worst = max(worst, _distance(found, (logits[some], probabilities[some])))
    return worst


def run_model(model: bytes, images: UInt8Array) -> Outputs:
    """Logits and probabilities (N, K) that onnxruntime makes of `images` (N, C, H, W) on the CPU.

    The images are given in the dtype that the model asks for.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: a hint about its own optimisations helps nobody here
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    pixels = images if wanted.type == "tensor(uint8)" else images.astype(np.float32)
    logits, probabilities = session.run(["logits", "probabilities"], {wanted.name: pixels})
    return np.asarray(logits), np.asarray(probabilities)


def _distance(found: Outputs, expected: Outputs) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))


def _check_agreement(found: FloatArray, expected: FloatArray) -> None:
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    difference = np.abs(found - expected).max(axis=1)
    row = int(difference.argmax())
    if not difference[row] <= allowed:  # so that NaN is refused
        raise RunError(
            f"onnxruntime's scores for image {row} differ from the network's by "
            f"{difference[row]:.2g}; at most {allowed:.2g} is allowed; no file was written"
        )
