from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handloom.data import Augmentation, Batches, Dataset, Features, Mixing, Normalisation, Stage
from handloom.errors import ConfigError

torch = pytest.importorskip("torch")

from handloom.engines.torch.pictures import DevicePictures  # noqa: E402

CPU = torch.device("cpu")
DEVICES = [CPU] + [torch.device("cuda")] * torch.cuda.is_available()
every_device = pytest.mark.parametrize("device", DEVICES, ids=str)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
BATCH = 16
COUNT = 70  # the last batch of an epoch is short


def batches_of(kind: Any = "scale", channels: int | None = None, **how: Any) -> Batches:
    """Images (N, H, W), or (N, C, H, W), the first of them black and the second all alike."""
    rng = np.random.default_rng(0)
    shape = (9, 8) if channels is None else (channels, 9, 8)
    images = rng.integers(0, 256, (COUNT, *shape), np.uint8)
    images[0], images[1] = 0, 77
    dataset = Dataset(images, rng.integers(0, 3, COUNT), tuple("abc"))
    normalisation = Normalisation.fit(kind, images)
    return Batches(dataset, normalisation, BATCH, seed=5, prefetch=False, **how)


def assert_same(
    batches: Batches, number: int = 0, *, device: Any = CPU, rtol: float = 1e-5, **how: Any
) -> None:
    epoch = batches.epoch(number)
    found = [*DevicePictures(batches, device, **how).batches(epoch, 0, len(epoch))]
    assert len(found) == len(epoch)
    for (x, labels), batch in zip(found, epoch, strict=True):
        np.testing.assert_allclose(labels.cpu().numpy(), batch.labels, rtol=0, atol=1e-7)
        np.testing.assert_allclose(x.cpu().numpy(), batch.x, rtol=rtol, atol=rtol)
        assert x.cpu().numpy().dtype == batch.x.dtype


@pytest.mark.parametrize("kind", ["scale", "standard", "per-picture"])
@pytest.mark.parametrize("channels", [None, 3])
@every_device
def test_batches_are_those_of_the_cpu(kind: str, channels: int | None, device: Any) -> None:
    assert_same(batches_of(kind, channels), device=device)


@pytest.mark.parametrize("kind", ["scale", "standard", "per-picture"])
def test_float64_is_exact(kind: str) -> None:
    assert_same(batches_of(kind, dtype=np.float64), dtype=torch.float64, rtol=1e-12)


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("shuffle", [True, False])
@every_device
def test_order_and_augmentation_are_those_of_the_epoch(
    number: int, shuffle: bool, device: Any
) -> None:
    """Whole pixels only, so that nothing is rounded: a wrong position would show."""
    augmentation = Augmentation(flip=0.5, crop_padding=2, erase=0.5)
    assert_same(batches_of(augmentation=augmentation, shuffle=shuffle), number, device=device)


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1, "cutmix": 1}])
@pytest.mark.parametrize("probability", [1.0, 0.5])
@every_device
def test_pictures_are_mixed_as_on_the_cpu(
    settings: dict[str, Any], probability: float, device: Any
) -> None:
    mixing = Mixing(**settings, probability=probability)
    augmentation = Augmentation(flip=0.5, crop_padding=1)
    batches = batches_of("standard", 3, mixing=mixing, augmentation=augmentation)
    assert_same(batches, 2, device=device)


def test_targets_have_the_kind_of_the_pictures() -> None:
    batches = batches_of(mixing=Mixing(mixup=1.0))
    pictures = DevicePictures(batches, CPU, dtype=torch.float64)
    x, targets = next(iter(pictures.batches(batches.epoch(0), 0, 1)))
    assert x.dtype == targets.dtype == torch.float64
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(BATCH, dtype=torch.float64))


def test_drop_last_leaves_the_short_batch_out() -> None:
    assert_same(batches_of(drop_last=True))


def test_some_steps_of_an_epoch_are_the_same_as_in_the_whole() -> None:
    batches = batches_of(augmentation=Augmentation(rotate=20.0))
    pictures, epoch = DevicePictures(batches, CPU), batches.epoch(1)
    whole = [*pictures.batches(epoch, 0, len(epoch))]
    some = [*pictures.batches(epoch, 2, 4)]
    for (x, labels), (expected, expected_labels) in zip(some, whole[2:4], strict=True):
        torch.testing.assert_close(x, expected, rtol=0, atol=0)
        torch.testing.assert_close(labels, expected_labels)


def test_parts_of_a_batch_add_up_to_it() -> None:
    augmentation = Augmentation(shift=0.2, noise=0.1)
    batches = batches_of("per-picture", augmentation=augmentation, mixing=Mixing(cutmix=1.0))
    pictures, epoch = DevicePictures(batches, CPU), batches.epoch(0)
    first = pictures.batches(epoch, 0, len(epoch), lambda count: slice(0, count // 3))
    rest = pictures.batches(epoch, 0, len(epoch), lambda count: slice(count // 3, count))
    for whole, *parts in zip(pictures.batches(epoch, 0, len(epoch)), first, rest, strict=True):
        for position in range(2):
            joined = torch.cat([part[position] for part in parts])
            torch.testing.assert_close(joined, whole[position], rtol=0, atol=0)


def test_the_data_set_s_own_pictures_are_left_as_they_are() -> None:
    batches = batches_of(augmentation=Augmentation(erase=1.0))
    before = batches.dataset.images.copy()
    for _ in DevicePictures(batches, CPU).batches(batches.epoch(0), 0, 5):
        pass
    np.testing.assert_array_equal(batches.dataset.images, before)


def test_pictures_of_another_size_follow_the_epoch() -> None:
    batches = batches_of(stages=(Stage(until=2, height=5),))
    assert batches.epoch(1).batches.planes.shape[2:] == (5, 4)
    assert_same(batches.epoch(1).batches, 1)
    assert_same(batches.epoch(2).batches, 2)


def test_too_small_a_device_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any, **how: Any) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch, "tensor", full)
    with pytest.raises(ConfigError, match="the 70 training images need 0 MB, more than"):
        DevicePictures(batches_of(), CPU)


@needs_cuda
def test_nothing_waits_for_the_device() -> None:
    """CUDA itself tells of any call that does, with everything switched on that there is."""
    augmentation = Augmentation(
        flip=0.5, rotate=10.0, scale=0.1, shear=0.1, shift=0.1, elastic_alpha=8.0, crop_padding=2,
        noise=0.02, erase=0.5,
    )  # fmt: skip
    mixing = Mixing(mixup=0.5, cutmix=0.5)
    batches = batches_of("per-picture", 3, augmentation=augmentation, mixing=mixing)
    pictures, epoch = DevicePictures(batches, torch.device("cuda")), batches.epoch(0)
    made = [*pictures.batches(epoch, 0, len(epoch))]  # the first time brings constants along
    torch.cuda.set_sync_debug_mode("error")
    try:
        again = [*pictures.batches(epoch, 0, len(epoch))]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for (x, labels), (other, other_labels) in zip(made, again, strict=True):
        torch.testing.assert_close(x, other, rtol=0, atol=0)
        torch.testing.assert_close(labels, other_labels, rtol=0, atol=0)


@every_device
def test_features_are_taken_as_they_are(device: Any, rng: np.random.Generator) -> None:
    features = rng.normal(size=(COUNT, 1, 1, 5)).astype(np.float32)
    dataset = Features(features, rng.integers(0, 3, COUNT), tuple("abc"))
    batches = Batches(dataset, Normalisation("none"), BATCH, seed=5, prefetch=False)
    assert_same(batches, 1, device=device, rtol=0)
