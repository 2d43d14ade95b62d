"""Where everything lies, and that all programs of a network agree on it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from networks import NETWORKS, Training, network

from handloom import optim
from handloom.loom.kernels.optimizer import Rule, Updating, rule_of
from handloom.loom.language import machine
from handloom.loom.language.machine import Machine
from handloom.loom.network import chain
from handloom.loom.network.plan import Plan, Request
from handloom.loom.pieces.gather import Pictures

every_network = pytest.mark.parametrize("name", NETWORKS)
MACHINES = {"avx512": machine.avx512(), "avx2": machine.avx2(), "sse2": machine.sse2()}


def plan_of(name: str, machine: Machine = MACHINES["avx2"], **how: Any) -> Plan:
    request = Request(NETWORKS[name][0], 16, Pictures())
    return Plan(list(chain.in_a_row("", network(name))), machine, replace(request, **how))


def places(plan: Plan) -> dict[str, tuple[int, int]]:
    stored = {**plan.parameters, **plan.buffers}
    return {name: (at.block.start, at.block.size) for name, at in stored.items()}


@every_network
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_all_programs_of_a_network_find_the_parameters_at_one_place(
    name: str, machine: Machine
) -> None:
    right = places(plan_of(name, machine))
    for how in (
        {"batch": 1}, {"batch": 1000}, {"training": False}, {"training": False, "batch": 1},
        {"pictures": Pictures(sparse=True)}, {"pictures": Pictures((0.5,) * 3, (0.1,) * 3)},
        {"training": False, "pictures": Pictures(sparse=True)}, {"timed": True},
    ):  # fmt: skip
        assert places(plan_of(name, machine, **how)) == right


@every_network
def test_parameters_and_buffers_are_those_of_the_network(name: str) -> None:
    plan, model = plan_of(name), network(name)
    shapes = {name: p.shape for name, p in model.named_parameters().items()}
    assert {name: at.shape for name, at in plan.parameters.items()} == shapes
    buffers = {name: b.shape for name, b in model.named_buffers().items()}
    assert {name: at.shape for name, at in plan.buffers.items()} == buffers
    for name_of, (start, size) in places(plan).items():
        assert size >= np.prod({**shapes, **buffers}[name_of])
        assert start * 4 % 64 == 0


@every_network
def test_nothing_overlaps(name: str) -> None:
    plan = plan_of(name)
    spans = sorted((start, start + size) for start, size in places(plan).values())
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] <= len(plan.arena.parameter_memory())


@pytest.mark.parametrize("kind", [optim.SGD, optim.Momentum, optim.Adam])
@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"ema": 0.9, "clip_norm": 1.0}], ids=str)
def test_room_for_what_is_kept_of_each_parameter(kind: Any, settings: Any) -> None:
    training = Training("mlp", rule=kind, **settings)
    rule = rule_of(training.optimizer)
    assert rule is not None
    request = training.compiled.request
    assert request.states == len(rule.slots) + len(settings)
    predicts = replace(request, training=False, loss=None)
    plan = Plan(training.compiled.layers, MACHINES["avx2"], predicts)
    assert plan.shift == ((1 + len(rule.slots)) * plan.arena.distance if "ema" in settings else 0)
    assert training.compiled.plan.shift == 0


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("real", ["float", "double"])
@every_network
def test_groups_tiles_and_rows_fit(name: str, real: Any, machine: Machine) -> None:
    widest = chain.widest(list(chain.in_a_row("", network(name))), NETWORKS[name][0])
    for batch in (1, 2, 13, 14, 15, 32, 100, 256):
        plan = plan_of(name, machine, batch=batch, real=real)
        sizes = plan.sizes
        assert sizes.lanes == machine.lanes(real)
        assert sizes.group % sizes.tile_rows == 0
        assert 1 <= sizes.tile_rows <= machine.tile_rows(2)
        assert (sizes.groups - 1) * sizes.group < batch <= sizes.groups * sizes.group
        assert sizes.row * {"float": 4, "double": 8}[real] // 64 % 2 == 1, "an odd number of lines"
        assert sizes.row >= widest
        if plan.input.is_maps:
            assert sizes.group == sizes.lanes


def test_work_is_counted() -> None:
    """Of the dense layers: two operations a weight and example, forward, backward and update."""
    plan, macs = plan_of("mlp", batch=16), 16 * (12 * 8 + 8 * 5)
    updating = Updating(Rule(), 0)
    request = replace(plan.request, updating=tuple((name, updating) for name in plan.parameters))
    plan = Plan(list(chain.in_a_row("", network("mlp"))), MACHINES["avx2"], request)
    assert sum(stage.flops for stage in plan.forward) == 2 * macs
    assert sum(stage.flops for stage in plan.update) == 2 * macs
    assert sum(stage.flops for stage in plan.backward()) == 2 * 16 * 8 * 5, "none for the pictures"


def test_errors_of_the_input_are_there_for_who_asks() -> None:
    for wanted in (False, True):
        plan = plan_of("lenet", input_errors=wanted)
        assert plan.input.needs_errors is wanted
        titles = [stage.title for stage in plan.backward()]
        assert len(titles) == len(set(titles))
    more, fewer = (plan_of("lenet", input_errors=wanted).backward() for wanted in (True, False))
    assert len(more) > len(fewer)


def test_a_program_that_only_predicts_needs_less_memory() -> None:
    plan = plan_of("residual", training=False)
    assert not any(piece.squares for piece in plan.pieces)
    assert plan_of("residual").arena.work.size > plan.arena.work.size


def test_every_stage_knows_its_piece() -> None:
    plan = plan_of("residual")
    stages = [*plan.prepare, *plan.forward, *plan.backward()]
    assert {id(stage.piece) for stage in stages} <= {id(piece) for piece in plan.pieces}


def test_an_equal_request_is_the_same_program() -> None:
    one, other = (Training("mlp", decay=0.1).compiled.request for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert replace(one, batch=17) != other
