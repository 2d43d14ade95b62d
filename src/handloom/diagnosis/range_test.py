"""The learning-rate range test: one short training in which the rate grows with every step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from handloom._typing import FloatArray
from handloom.data import Batches, Epoch
from handloom.engines import Loss, limited_to
from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.training.metrics import step_weight
from handloom.views import RateRange

STEPS = 150
LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.9  # of the running mean: about ten steps
SETTLED = 10  # steps until it is one
LOST = 4.0  # the test ends where the running mean is that many times its lowest
CLEAR = 0.02  # a share of the loss; less is no fall, but chance


def learning_rate_range(recipe: Recipe, parts: assemble.Parts, steps: int = STEPS) -> RateRange:
    """Train from the recipe's own first weights, the rate growing evenly in its logarithm.

    Engine, rule and batches are the recipe's; its schedule is not, and nothing is kept.
    Source: Smith 2017, sec. 3.3; the running mean and the steepest fall: Gugger 2018.
    """
    used = recipe.optimizer.lr
    rates = np.geomspace(LOWEST, max(HIGHEST, 10 * used), steps)
    constant = recipe.model_copy(update={"schedule": Recipe.model_fields["schedule"].default})
    losses: list[float] = []
    smooth: list[float] = []
    mean = counted = 0.0
    with limited_to(assemble.count_threads(recipe)), np.errstate(all="ignore"):
        engine = assemble.build_engine(constant, parts).engine
        batches = assemble.training_batches(recipe, parts, engine.model)
        for rate, (epoch, step) in zip(rates, _steps(batches, engine.loss), strict=False):
            engine.lr_scale = float(rate) / used
            (report,) = engine.train(epoch, step, step + 1)
            if not report.is_finite:
                break
            losses.append(report.loss)
            weight = step_weight(engine.loss, epoch, step) / len(epoch.positions(step, step + 1))
            mean = SMOOTHING * mean + (1 - SMOOTHING) * weight * report.loss
            counted = SMOOTHING * counted + (1 - SMOOTHING) * weight
            smooth.append(mean / counted)  # corrected for its start at 0
            if smooth[-1] > LOST * min(smooth):
                break
    rates = rates[: len(losses)]
    steepest, largest = turning_points(rates, np.array(smooth))
    return RateRange(rates, np.array(losses), np.array(smooth), steepest, largest, used)


def turning_points(rates: FloatArray, smooth: FloatArray) -> tuple[float | None, float | None]:
    """(rate of the steepest fall, rate of the lowest loss); None, None where it never fell."""
    if len(smooth) <= SETTLED:
        return None, None
    lowest = SETTLED + int(smooth[SETTLED:].argmin())
    if smooth[lowest] >= (1 - CLEAR) * smooth[SETTLED]:
        return None, None
    falling = slice(SETTLED, lowest + 1)
    slopes = np.gradient(smooth[falling], np.log(rates[falling]))
    return float(rates[SETTLED + int(slopes.argmin())]), float(rates[lowest])


def _steps(batches: Batches, loss: Loss) -> Iterator[tuple[Epoch, int]]:
    """The training's steps, epoch after epoch, without an end; those whose labels weigh nothing
    are left out, for they say nothing about the rate."""
    for number in count():
        epoch = batches.epoch(number)
        for step in range(len(epoch)):
            if step_weight(loss, epoch, step) > 0:
                yield epoch, step
