"""Random trainings on every engine against PyTorch: a few quickly, hundreds with --slow.

`python tests/fuzz/fuzz.py --cases 2000` tries as many as you like.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
machine = pytest.importorskip("handloom.loom.language.machine")
if why := machine.unsupported():
    pytest.skip(why, allow_module_level=True)

from differences import Difference, differences  # noqa: E402
from random_cases import random_case  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
TARGETS = (None, *machine.kinds_here())
QUICK, SLOW = 5, 300


@pytest.mark.parametrize("seed", range(QUICK))
def test_every_engine_trains_as_pytorch_does(seed: int) -> None:
    found = list(differences(random_case(seed, TARGETS), ("float64", "float32")))
    assert not found, "\n".join(map(str, found))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(QUICK, SLOW))
def test_every_engine_trains_as_pytorch_does_for_long(seed: int) -> None:
    test_every_engine_trains_as_pytorch_does(seed)


def test_a_difference_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from handloom.nn import Linear

    right = Linear.backward

    def wrong(self: Linear, dy):
        dx = right(self, dy)
        self.weight.grad *= 1.001
        return dx

    monkeypatch.setattr(Linear, "backward", wrong)
    case = random_case(1, TARGETS)
    found = list(differences(case))
    assert found
    assert {each.engine for each in found} == {"numpy"}
    assert isinstance(found[0], Difference)
    assert str(found[0]).startswith("seed 1: gradient norm 1 of numpy in float64 is ")
