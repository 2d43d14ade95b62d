from __future__ import annotations

import numpy as np
import pytest

from handloom.data import chance

torch = pytest.importorskip("torch")

from handloom.engines.torch.chance import picture_keys, uniforms  # noqa: E402


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("epoch", [0, 77])
def test_keys_have_the_bits_of_numpy_s(seed: int, epoch: int) -> None:
    positions = np.array([0, 1, 59_999, 2**40])
    expected = chance.picture_keys(seed, epoch, positions)
    found = picture_keys(seed, epoch, torch.from_numpy(positions))
    np.testing.assert_array_equal(found.numpy().view(np.uint64), expected)


@pytest.mark.parametrize(("start", "count"), [(0, 14), (64, 7), (2, 1), (0, 0)])
def test_draws_have_the_bits_of_numpy_s(start: int, count: int) -> None:
    keys = chance.picture_keys(3, 1, np.arange(1000))
    expected = chance.uniforms(keys, count, start=start)
    found = uniforms(torch.from_numpy(keys.view(np.int64)), count, start=start)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), expected)
