"""Updates that wait for the norm of all gradients, against `optim.clip_by_norm`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emitted import native
from harness import AVX2, HOST

from handloom import optim
from handloom.loom.arena import Arena
from handloom.loom.kernels.optimizer import SETTINGS, Updating, rule_of
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.value import Pointer, Value
from handloom.loom.native.team import Team
from handloom.loom.piece import Step, flat
from handloom.loom.pieces.apply import CHUNK, clipped
from handloom.nn.layer import Parameter

SIZES = {"a": 3, "b": CHUNK + 5, "c": 16, "d": 2 * CHUNK}
LR = 0.3


@pytest.mark.parametrize("machine", [HOST, AVX2], ids=["host", "avx2"])
@pytest.mark.parametrize("max_norm", [1e-3, 2.0, 1e6])
def test_the_update_after_clipping(
    machine: Machine, max_norm: float, rng: np.random.Generator
) -> None:
    """Momentum, decay for one of the parameters alone; shared by threads, one after the other."""
    params = {name: Parameter(rng.normal(size=size)) for name, size in SIZES.items()}
    decay = optim.WeightDecay(0.0, per_layer={"b": 0.1})
    twin = optim.Momentum(params, LR, weight_decay=decay)
    rule = rule_of(twin)
    assert rule is not None
    arena = Arena("f8")
    stored = {name: flat(arena.parameters.take(size), (size,)) for name, size in SIZES.items()}
    arena.close(2)
    how = {n: Updating(rule, arena.distance, twin.decays[n], stored=True) for n in SIZES}
    memory = arena.parameter_memory()
    for name, param in params.items():
        param.grad = rng.normal(size=param.value.size)
        start = stored[name].block.start
        for state, numbers in ((0, param.value), (2, param.grad)):
            memory[start + state * arena.distance :][: numbers.size] = numbers

    def body(e: Emitter, me: Value, threads: Value, memory: Pointer, settings: Pointer) -> None:
        team = Team(e, me, threads, memory)
        step = Step(e, team, arena, memory, memory, settings, e.lift(0), e.lift(0))
        squares = lambda step: step.settings[SETTINGS]  # noqa: E731
        clipped(stored, how, max_norm, squares, e.lanes).emit(step)

    function: Any = native(machine, "double", body)
    norm = optim.clip_by_norm(params, max_norm)
    settings = np.array([LR, *[0.0] * (SETTINGS - 1), norm**2])
    for me in range(3):
        function(me, 3, memory, settings)
    twin.step()
    for name, param in params.items():
        start = stored[name].block.start
        for state, right in ((0, param.value), (1, twin.slots[name]["velocity"])):
            found = memory[start + state * arena.distance :][: param.value.size]
            np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)
