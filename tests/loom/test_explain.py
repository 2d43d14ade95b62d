"""The plan accounts for every layer, parameter, byte and operation of a network."""

from __future__ import annotations

import numpy as np
import pytest

from handloom import nn, optim
from handloom.engines import TrainingSetup
from handloom.engines.loom.compile import compile_network, compile_run
from handloom.loom.network.compiled import Compiled
from handloom.loom.network.explain import Explanation, explain, outline
from handloom.loom.pieces.gather import Pictures

BATCH = 8
RNG = np.random.default_rng(0)


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, rng=RNG), nn.LeakyReLU(), nn.MaxPool2d(2),
        nn.Residual(nn.Sequential(nn.Conv2d(3, 3, 1, rng=RNG), nn.ReLU())),
        nn.Flatten(), nn.Dropout(0.0, rng=RNG),
        nn.Linear(48, 7, rng=RNG), nn.ReLU(), nn.Linear(7, 5, rng=RNG),
    )  # fmt: skip


def setup(model: nn.Sequential, threads: int) -> TrainingSetup:
    rule = optim.Adam(model.named_parameters(), 0.1)
    return TrainingSetup(nn.cross_entropy, rule, batch_size=BATCH, threads=threads)


def compiled(model: nn.Sequential, threads: int = 1) -> Compiled:
    return compile_network(
        model, setup(model, threads), input_shape=(1, 10, 10),
        pictures=Pictures((1 / 255,), (0.0,)), timed=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Explanation:
    return explain(compiled(lenet()), np.zeros((20, 1, 10, 10), np.uint8))


def test_every_layer_is_in_one_piece_or_in_none(plan: Explanation) -> None:
    told = [(piece.layers, piece.kinds) for piece in plan.pieces]
    assert told == [
        (("0", "1", "2"), ("Conv2d", "LeakyReLU", "MaxPool2d")),
        (("3.body.0", "3.body.1"), ("Conv2d", "ReLU")),
        (("3",), ("Residual",)),
        (("4",), ("Flatten",)),
        (("6", "7"), ("Linear", "ReLU")),
        (("8",), ("Linear",)),
    ]
    assert plan.no_piece == ("5 Dropout",)
    assert plan.in_numpy == ()


def test_parameters_and_shapes_are_the_network_s(plan: Explanation) -> None:
    assert [piece.output for piece in plan.pieces] == [
        (3, 4, 4), (3, 4, 4), (3, 4, 4), (48,), (7,), (5,),
    ]  # fmt: skip
    own = [3 * 9 + 3, 3 * 3 + 3, 0, 0, 48 * 7 + 7, 7 * 5 + 5]
    assert [piece.parameters for piece in plan.pieces] == own
    for piece, count in zip(plan.pieces, own, strict=True):
        assert piece.parameter_bytes >= 3 * 4 * count, "Adam keeps two numbers beside each"
        assert piece.buffer_bytes >= 4 * BATCH * np.prod(piece.output)
    assert plan.parameter_bytes > sum(piece.parameter_bytes for piece in plan.pieces)


def test_operations_are_those_of_the_products(plan: Explanation) -> None:
    products = {
        "conv 1 → 3, 3×3, pool 2×2": 3 * 64 * 9,
        "conv 3 → 3, 1×1": 3 * 16 * 3,
        "dense 48 → 7": 48 * 7,
        "dense 7 → 5": 7 * 5,
    }
    for title, each in products.items():
        flops = [stage.flops for stage in plan.stages if stage.piece == title and stage.flops]
        kinds = 2 if title.startswith("conv 1") else 3  # nobody asks for the pictures' errors
        assert flops == [2 * BATCH * each] * kinds
    assert all(stage.bytes for stage in plan.stages if stage.flops)


def test_stages_are_in_order_and_belong_to_pieces(plan: Explanation) -> None:
    told = [stage.title for stage in plan.stages if stage.layers == ("6", "7")]
    assert told == ["transpose", "forward", "errors below", "update"]
    phases = [stage.phase for stage in plan.stages]
    assert phases == sorted(phases)
    assert phases[0] == 1
    titles = [piece.title for piece in plan.pieces]
    alone = [stage.title for stage in plan.stages if stage.piece not in titles]
    assert alone == ["gather, normalise", "softmax, cross-entropy"]


def test_shares_are_parts_of_the_step(plan: Explanation) -> None:
    assert 0 < sum(stage.share for stage in plan.stages) < 1.05
    for stage in plan.stages:
        assert stage.share == pytest.approx(stage.seconds / plan.seconds)
    assert (plan.batch, plan.threads) == (BATCH, 1)


def test_the_clock_s_own_memory_is_not_counted() -> None:
    model = lenet()
    timed = compiled(model, threads=2)
    plain = compile_network(model, setup(model, threads=2), input_shape=(1, 10, 10))
    with_clock, without = outline([timed]).work_bytes, outline([plain]).work_bytes
    assert with_clock - without == pytest.approx(0, abs=4096), "but for the gaps between blocks"


def test_a_network_in_parts_has_pieces_but_no_stages() -> None:
    model = lenet()
    children = list(model.named_children())
    parts = [
        compile_run(children[:3], (1, 10, 10), BATCH, 1, input_errors=False),
        compile_run(children[6:8], (48,), BATCH, 1, input_errors=True),
    ]
    told = outline(parts, ("3 (Mine)",))
    assert [piece.layers for piece in told.pieces] == [("0", "1", "2"), (), ("6", "7")]
    assert told.in_numpy == ("3 (Mine)",)
    assert (told.stages, told.seconds) == ((), 0.0)
    assert told.parameter_bytes == sum(part.parameters.nbytes for part in parts)
