"""From a network and its way of training to a request, and to a network that can be compiled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handloom import nn
from handloom._typing import Shape
from handloom.engines.loom.terms import cross_entropy_of
from handloom.engines.setup import TrainingSetup
from handloom.loom.kernels.optimizer import Rule, Updating, rule_of
from handloom.loom.language.machine import host
from handloom.loom.language.program import Real
from handloom.loom.native.team import Crew
from handloom.loom.network import chain, fuse
from handloom.loom.network.compiled import Compiled
from handloom.loom.network.plan import Plan, Request
from handloom.loom.pieces.gather import Pictures
from handloom.nn.layer import Parameter


def compile_network(
    model: nn.Layer,
    setup: TrainingSetup,
    *,
    input_shape: Shape,
    pictures: Pictures | None = None,
    timed: bool = False,
) -> Compiled:
    """The network and its way of training, ready to be compiled for images (C, H, W) of
    `input_shape` on this machine.

    Raises UncoveredError where a layer, the loss or the optimizer cannot be. `timed`: with a clock
    in it.
    """
    optimizer, loss = setup.optimizer, cross_entropy_of(setup.loss)
    rule = rule_of(optimizer)
    if rule is None:
        raise fuse.UncoveredError(f"the optimizer {type(optimizer).__name__}")
    if optimizer.params.keys() != model.named_parameters().keys():
        raise fuse.UncoveredError("an optimizer of some of the parameters only")
    decoupled = bool(optimizer.weight_decay.decoupled)
    updating = tuple(
        (
            name,
            Updating(
                rule, 0, optimizer.decays[name], decoupled, setup.clip_value,
                setup.ema is not None,
            ),
        )
        for name in optimizer.params
    )  # fmt: skip
    average = None if setup.ema is None else len(rule.slots)
    request = Request(
        input_shape, setup.batch_size, pictures or Pictures(), loss=loss, updating=updating,
        max_norm=setup.clip_norm, average=average, timed=timed,
        real=_real(model.named_parameters()),
    )  # fmt: skip
    layers = list(chain.in_a_row("", model))
    compiled = Compiled(layers, host(), Crew(setup.threads), request, rule, setup.ema)
    assert compiled.plan, "made now: what cannot be compiled shows here"
    return compiled


def compile_run(
    layers: list[chain.Named], input_shape: Shape, batch: int, threads: int, *, input_errors: bool
) -> Compiled:
    """Layers in a row without loss or optimizer: their gradients are for somebody else."""
    rule = Rule()
    parameters = {
        f"{path}.{name}": parameter
        for path, layer in layers
        for name, parameter in layer.named_parameters().items()
    }
    request = Request(
        input_shape, batch, Pictures(), input_errors=input_errors, real=_real(parameters),
        updating=tuple((name, Updating(rule, 0, stored=True)) for name in parameters),
    )  # fmt: skip
    compiled = Compiled(_flat(layers), host(), Crew(threads), request, rule)
    compiled.prepare(Pictures())
    return compiled


def coverage(layers: list[chain.Named], input_shape: Shape) -> int:
    """How many of the layers, from the first on, can be compiled together."""
    request = Request(input_shape, 1, Pictures())
    for count in range(len(layers), 0, -1):
        try:
            Plan(_flat(layers[:count]), host(), request)
        except fuse.UncoveredError:
            continue
        return count
    return 0


def _real(parameters: Mapping[str, Parameter]) -> Real:
    """The precision that these parameters have."""
    wide = any(parameter.value.dtype == np.float64 for parameter in parameters.values())
    return "double" if wide else "float"


def _flat(layers: list[chain.Named]) -> list[chain.Named]:
    return [named for path, layer in layers for named in chain.in_a_row(path, layer)]
