from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from handloom.data.prepare.normalise import Normalisation
from handloom.data.readers.idx import read_idx
from handloom.errors import ConfigError, DataError, ShapeError

KINDS = ["scale", "standard", "per-picture"]


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((40, 3, 6, 5)) ** 2 * [[[200.0]], [[255.0]], [[90.0]]]).astype(np.uint8)


def test_scale_divides_by_255(images: np.ndarray) -> None:
    fitted = Normalisation.fit("scale", images)
    np.testing.assert_allclose(fitted(images), images / 255.0, rtol=2e-7)
    np.testing.assert_allclose(fitted(images, np.float64), images / 255.0, rtol=3e-16)


def test_standard_is_sklearns_scaler_with_a_feature_a_channel(images: np.ndarray) -> None:
    train, other = images[:30], images[30:]
    fitted = Normalisation.fit("standard", train)
    scaler = StandardScaler().fit(np.moveaxis(train, 1, -1).reshape(-1, 3) / 255.0)
    expected = scaler.transform(np.moveaxis(other, 1, -1).reshape(-1, 3) / 255.0)
    expected = np.moveaxis(np.asarray(expected).reshape(10, 6, 5, 3), -1, 1)
    np.testing.assert_allclose(fitted.mean, scaler.mean_, rtol=1e-13)
    np.testing.assert_allclose(fitted.std, scaler.scale_, rtol=1e-13)
    np.testing.assert_allclose(fitted(other, np.float64), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(fitted(other), expected, atol=2e-6)


def test_standard_knows_the_pictures_it_was_fitted_on_only(images: np.ndarray) -> None:
    train = images[:30].copy()
    before = Normalisation.fit("standard", train)
    images[30:] = 255
    assert Normalisation.fit("standard", train) == before
    assert Normalisation.fit("standard", images) != before


def test_standard_counts_every_block_of_a_large_set(rng: np.random.Generator) -> None:
    many = rng.integers(0, 256, (9000, 2, 2), np.uint8)
    many[8192:] = 255
    fitted = Normalisation.fit("standard", many)
    assert fitted.mean[0] == pytest.approx(many.mean() / 255.0, rel=1e-13)
    assert fitted.std[0] == pytest.approx(many.std() / 255.0, rel=1e-12)


def test_per_picture_has_mean_zero_and_std_one(images: np.ndarray) -> None:
    x = Normalisation.fit("per-picture", images)(images, np.float64)
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), 0.0, atol=1e-14)
    np.testing.assert_allclose(x.std(axis=(1, 2, 3)), 1.0, rtol=1e-14)
    expected = images[3] - images[3].mean()
    np.testing.assert_allclose(x[3], expected / images[3].std(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["standard", "per-picture"])
@pytest.mark.parametrize("level", [0, 1, 77, 255])
def test_a_constant_picture_becomes_zeros(kind: Any, level: int) -> None:
    constant = np.full((3, 7, 9), level, np.uint8)
    x = Normalisation.fit(kind, constant)(constant)
    np.testing.assert_allclose(x, 0.0, atol=2e-7)
    if kind == "per-picture":
        assert not x.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_output_is_nchw_contiguous_and_of_the_dtype(kind: Any, dtype: Any) -> None:
    grey = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 6, 4).swapaxes(1, 2)
    x = Normalisation.fit(kind, grey)(grey, dtype)
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((2, 1, 4, 6), np.dtype(dtype), True)
    assert Normalisation.fit(kind, grey)(grey).dtype == np.float32
    assert Normalisation.fit(kind, grey)(grey[:0]).shape == (0, 1, 4, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_normalised_alike_in_any_company(kind: Any, images: np.ndarray) -> None:
    fitted = Normalisation.fit(kind, images)
    np.testing.assert_array_equal(fitted(images)[7:9], fitted(images[7:9]))


@pytest.mark.parametrize("kind", KINDS)
def test_json_brings_it_back_to_the_bit(kind: Any, images: np.ndarray) -> None:
    fitted = Normalisation.fit(kind, images)
    assert Normalisation.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"kind": "minmax"},
        {"kind": "standard"},
        {"kind": "standard", "mean": [0.1], "std": [0.0]},
        {"kind": "standard", "mean": [0.1], "std": [0.2, 0.3]},
        {"kind": "standard", "mean": [float("nan")], "std": [0.2]},
        {"kind": "standard", "mean": 3, "std": 4},
        {"kind": "scale", "mean": [0.1], "std": [0.2]},
        [],
        None,
    ],
)
def test_what_is_not_a_stored_normalisation_is_refused(stored: Any) -> None:
    with pytest.raises(DataError, match="stored normalisation"):
        Normalisation.from_json(stored)


def test_unknown_kind_is_refused(images: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="'minmax' is not one of scale, standard, per-picture"):
        Normalisation.fit("minmax", images)  # type: ignore[arg-type]


def test_arrays_that_are_no_pictures_are_refused(images: np.ndarray) -> None:
    fitted = Normalisation.fit("standard", images)
    with pytest.raises(DataError, match="float64"):
        fitted(images / 255.0)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"\(6, 5\)"):
        fitted(images[0, 0])
    with pytest.raises(ShapeError, match="3 channels"):
        fitted(images[:, 0])
    with pytest.raises(DataError, match="no pixels"):
        Normalisation.fit("standard", images[:0])


@pytest.mark.data
def test_mnist_has_the_mean_and_std_that_everybody_quotes(data_dir: Path) -> None:
    fitted = Normalisation.fit(
        "standard", read_idx(data_dir / "mnist" / "train-images-idx3-ubyte.gz")
    )
    assert fitted.mean[0] == pytest.approx(0.1307, abs=5e-5)
    assert fitted.std[0] == pytest.approx(0.3081, abs=5e-5)
