"""Files from strangers, spoilt in every way: a sentence or a value, soon, and in little memory."""

from __future__ import annotations

import pytest
from fuzz_files import fuzz, make_data
from spoilt import Spoilt

QUICK, SLOW, EACH = 400, 20_000, 3


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Spoilt:
    folder = tmp_path_factory.mktemp("spoilt")
    return Spoilt(folder, make_data(folder))


@pytest.mark.parametrize("count", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)])
def test_nothing_but_an_error_of_ours_comes_out(count: int, spoilt: Spoilt) -> None:
    tally = fuzz(spoilt, range(count))
    assert tally.escapes == []
    assert 0.5 * count < tally.refused.total() < count, "the files are not spoilt, or always"


def test_every_reader_has_its_turn(spoilt: Spoilt) -> None:
    for name in spoilt.targets:
        tally = fuzz(spoilt, range(EACH), seed=1, only=name)
        assert tally.escapes == []
        assert tally.tried[name] == EACH


def test_an_error_that_is_not_ours_is_seen(spoilt: Spoilt) -> None:
    """A reader that lets a KeyError out is caught, with the number of its input."""

    def careless(_: object) -> None:
        raise KeyError("step")

    spoilt.targets["careless"] = (0, careless)
    try:
        tally = fuzz(spoilt, range(5, 6), only="careless")
    finally:
        del spoilt.targets["careless"]
    (escape,) = tally.escapes
    assert (escape.number, escape.reader) == (5, "careless")
    assert "KeyError: 'step'" in escape.error
