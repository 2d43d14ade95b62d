"""Pictures of a batch, fetched and made into numbers, against Normalisation and fancy indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from covering import covering
from emitted import DTYPES, native
from harness import AVX2, HOST

from handloom._typing import AnyArray, Shape
from handloom.data import Normalisation
from handloom.engines.loom.terms import pixels_as_numbers
from handloom.loom.arena import Arena
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer, Value
from handloom.loom.native.team import Team
from handloom.loom.piece import Step
from handloom.loom.pieces.gather import Gather, Pictures
from handloom.loom.tensor import Sizes, Tensor

MACHINES = {"host": HOST, "avx2": AVX2}
SHAPES = [(1, 1, 1), (1, 28, 28), (3, 5, 7), (2, 4, 16), (1, 3, 33), (4, 1, 11)]


def compiled(
    how: Pictures,
    shape: tuple[int, int, int],
    *,
    flat: bool,
    border: int = 0,
    batch: int = 19,
    machine: Machine = HOST,
    real: Real = "double",
) -> Callable[[AnyArray, AnyArray], AnyArray]:
    """pictures (M, C, H, W), rows (n,) -> what the network finds, (n, ...), by one thread."""
    lanes = machine.lanes(real)
    features = int(np.prod(shape))
    row = -(-features // lanes) * lanes + lanes
    sizes = Sizes(machine, lanes, batch, lanes, 1, row, training=True)
    arena = Arena(DTYPES[real])
    target = Tensor((features,) if flat else shape, sizes, needs_errors=False)
    target.read(border=border)
    target.allocate(arena)
    arena.close(0)
    work = arena.work_memory(1)
    gather = Gather(how, shape, target, sizes)

    def body(e: Emitter, count: Value, work: Pointer, pictures: Pointer, chosen: Pointer) -> None:
        team = Team(e, e.lift(0), e.lift(1), chosen)
        step = Step(e, team, arena, work, work, work, count, e.lift(0))
        stage = gather.stage(pictures, chosen)
        for group in e.range(sizes.groups):
            stage.emit(step, group)

    def run(pictures: AnyArray, rows: AnyArray) -> AnyArray:
        function(len(rows), work, pictures, rows)
        numbers = target.values.of(work)
        found = _flat(numbers, sizes, features) if flat else _maps(numbers, sizes, target)
        assert np.count_nonzero(numbers) == np.count_nonzero(found), "in borders, or behind rows"
        assert not found[len(rows) :].any(), "examples that are not there"
        return found[: len(rows)].copy()

    function = native(machine, real, body)
    return run


def _flat(numbers: AnyArray, sizes: Sizes, features: int) -> AnyArray:
    return numbers.reshape(-1, sizes.row)[:, :features]


def _maps(numbers: AnyArray, sizes: Sizes, target: Tensor) -> AnyArray:
    maps, (c, h, w) = target.maps, target.shape
    b = maps.border
    whole = numbers.reshape(sizes.groups, maps.group)[:, : -maps.lanes]
    whole = whole.reshape(sizes.groups, c, h + 2 * b, w + 2 * b, maps.lanes)
    inside = whole[:, :, b : b + h, b : b + w].transpose(0, 4, 1, 2, 3)
    return inside.reshape(-1, c, h, w)


def draw(rng: np.random.Generator, shape: Shape) -> tuple[AnyArray, list[AnyArray]]:
    """30 pictures, and the rows of batches of several sizes: in any order, some of them twice."""
    pictures = rng.integers(0, 256, (30, *shape), np.uint8)
    return pictures, [rng.integers(0, 30, count) for count in (19, 16, 7, 1)]


@covering(
    shape={str(shape): shape for shape in SHAPES},
    form={"flat": (True, 0), "maps": (False, 0), "border 2": (False, 2)},
    machine=MACHINES, real={real: real for real in DTYPES},
)  # fmt: skip
def test_numbers_are_taken_as_they_are(
    shape: Any, form: tuple[bool, int], machine: Machine, real: Real, rng: np.random.Generator
) -> None:
    flat, border = form
    run = compiled(Pictures(), shape, flat=flat, border=border, machine=machine, real=real)
    bytes_, batches = draw(rng, shape)
    pictures = bytes_.astype(DTYPES[real]) - 100
    for rows in batches:
        found = run(pictures, rows)
        np.testing.assert_array_equal(found.reshape(len(rows), *shape), pictures[rows])


@covering(
    shape={str(shape): shape for shape in SHAPES},
    form={"flat": (True, 0), "border 1": (False, 1)},
    machine=MACHINES, kind={kind: kind for kind in ("scale", "standard")},
)  # fmt: skip
def test_bytes_become_what_the_normalisation_says(
    shape: Any, form: tuple[bool, int], machine: Machine, kind: Any, rng: np.random.Generator
) -> None:
    """Every channel by its own mean; divided by 255 and no more, to the very bit in float32."""
    flat, border = form
    pictures, batches = draw(rng, shape)
    pictures //= np.arange(1, shape[0] + 1, dtype=np.uint8)[:, None, None]
    normalisation = Normalisation.fit(kind, pictures)
    how = pixels_as_numbers(normalisation, shape[0])
    for real in DTYPES:
        run = compiled(how, shape, flat=flat, border=border, machine=machine, real=real)
        for rows in batches:
            found = run(pictures, rows).reshape(len(rows), *shape)
            right = normalisation(pictures[rows], DTYPES[real])
            if real == "float" and kind == "scale":
                np.testing.assert_array_equal(found, right)
            bound = {"float": 1e-6, "double": 1e-13}[real]
            np.testing.assert_allclose(found, right, rtol=bound, atol=bound)


def test_what_is_no_straight_line_stays_with_the_normalisation() -> None:
    assert not pixels_as_numbers(Normalisation("per-picture"), 1).are_bytes
    assert pixels_as_numbers(Normalisation("scale"), 3).are_bytes
