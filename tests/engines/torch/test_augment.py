from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handloom.data.batches.augment import Augmentation
from handloom.data.batches.warp import resample as resample_on_cpu

torch = pytest.importorskip("torch")

from handloom.engines.torch.augment import DeviceAugmentation, resample  # noqa: E402

ALONE: dict[str, dict[str, Any]] = {
    "flip": {"flip": 0.5},
    "rotate": {"rotate": 30.0},
    "scale": {"scale": 0.2},
    "shear": {"shear": 0.3},
    "shift": {"shift": 0.2},
    "elastic": {"elastic_alpha": 30.0, "elastic_sigma": 3.0},
    "crop": {"crop_padding": 3},
    "noise": {"noise": 0.1},
    "erase": {"erase": 0.7, "erase_min": 2, "erase_max": 40},
}
TOGETHER = {name: value for settings in ALONE.values() for name, value in settings.items()}
EXACT = ("flip", "crop", "erase")  # whole pixels: nothing is rounded
SHAPE = (3, 13, 16)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (200, *SHAPE), np.uint8)


def both(
    settings: dict[str, Any], images: np.ndarray, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    augmentation = Augmentation(**settings)
    positions = np.random.default_rng(3).permutation(5000)[: len(images)]
    expected = augmentation.apply(images, positions, seed=2**63 + 5, epoch=3)
    on_device = DeviceAugmentation(augmentation, 2**63 + 5)
    found = on_device(torch.tensor(images).to(device), torch.tensor(positions).to(device), 3)
    assert found.dtype == torch.uint8
    return expected, found.cpu().numpy()


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("device", DEVICES)
def test_a_picture_comes_out_as_on_the_cpu(name: str, images: np.ndarray, device: str) -> None:
    expected, found = both(ALONE[name], images, device)
    assert (expected != images).any(), "the setting does something to compare"
    if name in EXACT:
        np.testing.assert_array_equal(found, expected)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 2e-4


def test_all_settings_together_come_out_as_on_the_cpu(images: np.ndarray) -> None:
    expected, found = both(TOGETHER, images)
    assert np.abs(found.astype(int) - expected).max() <= 2
    assert (found != expected).mean() < 1e-3


def test_nothing_set_gives_the_pictures_themselves(images: np.ndarray) -> None:
    pictures = torch.from_numpy(images)
    assert DeviceAugmentation(Augmentation(), 0)(pictures, torch.arange(200), 0) is pictures


def test_pictures_are_read_as_opencv_reads_them(images: np.ndarray) -> None:
    """The same bytes, at any place: inside, across the border, far away, exactly between two."""
    rng = np.random.default_rng(5)
    places = rng.uniform(-4, 20, (200, 2, *SHAPE[1:])).astype(np.float32)
    places[:50] = np.round(places[:50] * 64) / 64
    places[50:100] = np.round(places[50:100])
    places[100:110] += 1e4
    found = resample(torch.from_numpy(images), torch.from_numpy(places))
    np.testing.assert_array_equal(found.numpy(), resample_on_cpu(images, places))
