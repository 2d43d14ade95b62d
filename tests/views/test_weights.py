from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from handloom import nn
from handloom.views.run.filters import draw_filters, filters
from handloom.views.run.weights import CELL, draw_matrices, matrices
from handloom.views.sheet import png


def mlp(rng: np.random.Generator, *sizes: int) -> nn.Sequential:
    layers: list[nn.Layer] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, rng=rng), nn.ReLU()]
    return nn.Sequential(*layers)


def test_filters_are_the_rows_of_largest_norm_as_pictures(rng: np.random.Generator) -> None:
    model = mlp(rng, 12, 5)
    weight = model.named_parameters()["1.weight"].value
    weight[3] *= 100
    weight[1] *= 0.01
    found = filters(model, (1, 3, 4), most=4)
    assert found is not None
    assert found.path == "1.weight"
    assert found.units[0] == 3
    assert 1 not in found.units
    np.testing.assert_array_equal(found.tiles[0], weight[3].reshape(3, 4))
    norms = np.linalg.norm(weight[found.units], axis=1)
    assert (np.diff(norms) <= 0).all()


def learnt(model: nn.Sequential, rng: np.random.Generator) -> np.ndarray:
    """Adds a smooth blob to each unit of the first layer, small beside the random start."""
    weight = model.named_parameters()["1.weight"].value
    blob = np.zeros((len(weight), 8, 8), weight.dtype)
    for unit, (row, column) in enumerate(rng.integers(1, 6, (len(weight), 2))):
        blob[unit, row : row + 2, column : column + 2] = 0.3 * weight.std() * (1 + unit)
    weight += blob.reshape(weight.shape)
    return blob


def test_what_was_learnt_is_the_difference_from_the_start(rng: np.random.Generator) -> None:
    model, start = (mlp(np.random.default_rng(3), 64, 5) for _ in range(2))
    blob = learnt(model, rng)
    found = filters(model, (1, 8, 8), start=start)
    assert found is not None
    assert found.units.tolist() == [4, 3, 2, 1, 0]
    np.testing.assert_allclose(found.tiles, blob[::-1], atol=1e-6)
    told = " ".join(text.get_text() for text in draw_filters(found).texts)
    assert "What the first layer has learned" in told
    assert "minus those before training" in told
    raw = filters(model, (1, 8, 8))
    assert raw is not None
    assert "The first layer's weights: 1.weight" in draw_filters(raw).texts[0].get_text()


def test_a_start_that_it_did_not_have_is_not_subtracted(rng: np.random.Generator) -> None:
    model = mlp(np.random.default_rng(3), 64, 50)
    learnt(model, rng)
    for other in (mlp(np.random.default_rng(4), 64, 50), mlp(rng, 64, 40), nn.Sequential()):
        assert filters(model, (1, 8, 8), start=other) is None
    model.named_parameters()["1.weight"].value[0, 0] = np.nan
    assert filters(model, (1, 8, 8), start=mlp(np.random.default_rng(3), 64, 50)) is None


def test_pixels_that_are_always_black_are_grey(rng: np.random.Generator) -> None:
    dark = np.zeros((1, 8, 8), bool)
    dark[:, 0] = True
    found = filters(mlp(rng, 64, 5), (1, 8, 8), dark=dark)
    assert found is not None
    assert np.isnan(found.tiles[:, 0]).all()
    assert np.isfinite(found.tiles[:, 1:]).all()
    told = " ".join(text.get_text() for text in draw_filters(found).texts)
    assert "black in every training image" in told


def test_filters_of_large_pictures_are_means_of_neighbours(rng: np.random.Generator) -> None:
    found = filters(mlp(rng, 300 * 500, 3), (1, 300, 500))
    assert found is not None
    assert found.block == 4
    assert found.tiles.shape == (3, 75, 125)
    assert max(draw_filters(found).bbox.size) < 1400


def test_channels_of_a_filter_stand_abreast(rng: np.random.Generator) -> None:
    model = mlp(rng, 3 * 2 * 5, 8)
    found = filters(model, (3, 2, 5), most=6)
    assert found is not None
    assert found.tiles.shape == (2, 2, 15)
    weight = model.named_parameters()["1.weight"].value[found.units[0]].reshape(3, 2, 5)
    np.testing.assert_array_equal(found.tiles[0][:, 5:10], weight[1])


def test_filters_need_a_first_layer_that_reads_the_picture(rng: np.random.Generator) -> None:
    conv = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.Flatten(), nn.Linear(8, 16, rng=rng))
    assert filters(conv, (1, 4, 4)) is None
    assert filters(mlp(rng, 9, 2), (1, 4, 4)) is None
    assert filters(nn.Sequential(nn.Flatten()), (1, 4, 4)) is None


def test_broken_weights_are_counted_and_come_first(rng: np.random.Generator) -> None:
    model = mlp(rng, 16, 4)
    model.named_parameters()["1.weight"].value[2, :3] = np.nan
    found = filters(model, (1, 4, 4))
    assert found is not None
    assert found.num_bad == 3
    assert found.units[0] == 2
    assert np.isfinite(found.limit)
    assert png(draw_filters(found)).startswith(b"\x89PNG")


def test_matrices_come_in_order_with_one_limit(rng: np.random.Generator) -> None:
    model = mlp(rng, 900, 30, 10)
    found = matrices(model)
    assert found is not None
    first, second = found.matrices
    assert (first.path, first.shape, first.block) == ("1.weight", (30, 900), (1, 3))
    assert (second.path, second.shape, second.block) == ("3.weight", (10, 30), (1, 1))
    weight = model.named_parameters()["1.weight"].value
    assert first.rms == pytest.approx(np.sqrt(np.mean(weight.astype(float) ** 2)))
    assert first.values.shape == (30, 300)
    assert first.values[0, 0] == weight[0, np.abs(weight[0, :3]).argmax()]
    assert found.limit == max(np.quantile(np.abs(m.values), 0.99) for m in found.matrices)


def test_a_network_without_dense_layers_has_no_matrices(rng: np.random.Generator) -> None:
    assert matrices(nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.GlobalAvgPool2d())) is None


def test_many_and_large_matrices_stay_within_a_page(rng: np.random.Generator) -> None:
    found = matrices(mlp(rng, 2000, 1000, *[40] * 8))
    assert found is not None
    assert max(max(m.values.shape) for m in found.matrices) <= CELL
    figure = draw_matrices(found)
    assert figure.bbox.width < 1400
    assert "1.weight   1000 × 2000" in [text.get_text() for text in figure.texts]
