"""Groups' gradients added up and put to use, and sums of lanes, against NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import AVX2, HOST

from handloom.loom.arena import Arena
from handloom.loom.kernels.optimizer import Momentum, Updating
from handloom.loom.language.lane_sums import store_sums
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Program
from handloom.loom.native import jit
from handloom.loom.native.team import Team
from handloom.loom.piece import Step
from handloom.loom.pieces.partials import CHUNK, Partials

MACHINES = pytest.mark.parametrize("machine", [HOST, AVX2], ids=["host", "avx2"])


def native(machine: Machine, body: Callable[..., None], arrays: list[np.ndarray]) -> None:
    """Compile a body that takes pointers to real numbers, and call it once."""
    program = Program(machine, "double")
    names = [f"p{i}" for i in range(len(arrays))]
    program.entry("run", body, **dict.fromkeys(names, program.real))
    code = jit.compile_object(machine, str(program.module))
    entry = jit.link(machine, code, f"partials{id(arrays)}")("run")
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in arrays]
    jit.callable_at(entry, integers=0, pointers=len(arrays))(*pointers)


@MACHINES
@pytest.mark.parametrize("size", [1, 17, CHUNK, 2 * CHUNK + 3])
def test_update_by_the_sum_of_all_groups(
    machine: Machine, size: int, rng: np.random.Generator
) -> None:
    arena = Arena(np.float64)
    block = arena.parameters.take(size)
    partials = Partials(arena, block, groups=3)
    arena.close(1)
    parameters, work = arena.parameter_memory(), arena.work_memory(1)
    weights, velocity = rng.normal(size=(2, size))
    parameters[:size] = weights
    parameters[arena.distance : arena.distance + size] = velocity
    gradients = rng.normal(size=(3, size))
    partials.gradients.of(work).reshape(3, -1)[:, :size] = gradients
    settings = np.array([0.1, 0.0, 0.0, 0.0])
    stage = partials.stage("update", Updating(Momentum(0.9), arena.distance, 1e-2))

    def body(e: Any, parameters: Any, work: Any, settings: Any) -> None:
        one, none = e.lift(1), e.lift(0)
        team = Team(e, none, one, work.like(e, work.ir))
        stage.emit(Step(e, team, arena, parameters, work, settings, one, none))

    native(machine, body, [parameters, work, settings])
    gradient = gradients.sum(axis=0)
    velocity = 0.9 * velocity + gradient + 1e-2 * weights
    np.testing.assert_allclose(parameters[:size], weights - 0.1 * velocity, rtol=1e-12)
    np.testing.assert_allclose(
        parameters[arena.distance : arena.distance + size], velocity, rtol=1e-12
    )
    squares = partials.squares.of(work)
    assert len(squares) == -(-size // CHUNK)
    np.testing.assert_allclose(squares.sum(), (gradient**2).sum(), rtol=1e-12)
    assert np.count_nonzero(parameters) == 2 * size


@MACHINES
def test_sums_of_lanes(machine: Machine, rng: np.random.Generator) -> None:
    lanes = machine.lanes("double")
    for count in range(1, 2 * lanes + 2):
        x, sums = rng.normal(size=(count, lanes)), np.zeros(count + 1)

        def body(e: Any, x: Any, sums: Any, count: int = count) -> None:
            store_sums(e, sums, [x.vector(i * e.lanes) for i in range(count)])

        native(machine, body, [x, sums])
        np.testing.assert_allclose(sums[:count], x.sum(axis=1), rtol=1e-12, atol=1e-15)
        assert sums[count] == 0
