"""The course of the training: a loss that jumps, a rate that is lowered before its time."""

from __future__ import annotations

from typing import Any

import numpy as np

from handloom.diagnosis.advice import bound, one_of
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import Rule
from handloom.diagnosis.wording import figure
from handloom.recipes import Recipe
from handloom.views.style import percent


class UnstableLoss(Rule):
    """The training loss, a mean over thousands of images, goes up and down between epochs."""

    name = "unstable-loss"
    source = "Bengio 2012, Practical Recommendations, sec. 3.1.1; Pascanu et al. 2013 for clipping"
    needs_weights = False
    needs_epochs = 4
    jump = 1.2  # times the epoch before
    of_the_start = 0.02  # a jump among tiny losses is none
    often = 0.1  # of the epochs, and two at least

    def examine(self, evidence: Evidence) -> Finding | None:
        """Count the epochs whose training loss is well above that of the one before."""
        losses = evidence.metric("train_loss")
        before, after = losses[:-1], losses[1:]
        jumps = (after > self.jump * before) & (after - before > self.of_the_start * losses[0])
        if jumps.sum() < max(2, self.often * len(losses)):
            return None
        worst = int(np.nanargmax(np.where(jumps, after / before, 0.0)))
        return self.finding(
            "problem",
            f"The loss is unstable: in {int(jumps.sum())} of {len(losses)} epochs the training "
            f"loss rose by {percent(self.jump - 1)} or more, most of all from epoch {worst + 1} to "
            f"{worst + 2}, from {figure(before[worst])} to {figure(after[worst])}.",
            f"Lower optimizer.lr, which is {evidence.recipe.optimizer.lr:g}, use batches of more "
            f"than {evidence.recipe.training.batch_size} images, or bound the steps: "
            f"{bound(evidence.recipe)}.",
            evidence.curves("train_loss"),
            jumps=int(jumps.sum()),
            epochs=len(losses),
        )


class EarlyDecay(Rule):
    """The rate was lowered to next to nothing while the training still went well."""

    name = "early-decay"
    source = "Goodfellow, Bengio & Courville 2016, sec. 8.3.1 (how a schedule is chosen)"
    needs_weights = False
    needs_epochs = 6
    spent = 0.05  # of the highest rate: below, steps are too small to matter
    early = 0.5  # of the epochs
    falling = 0.03  # of the training loss, an epoch
    slower = 0.25  # of the fall before
    learnt = 0.98  # accuracy in training above which nothing was missed

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare the fall of the training loss before and after the rate was spent."""
        rates, losses = evidence.metric("lr"), evidence.metric("train_loss")
        peak = int(np.nanargmax(rates))
        low = np.flatnonzero(rates[peak:] < self.spent * rates[peak])
        if not low.size or self._accuracy(evidence) >= self.learnt:
            return None
        spent = peak + int(low[0])  # the first epoch, from 0, with hardly any rate
        if not 2 <= spent <= self.early * len(rates):
            return None
        before = 1 - losses[spent - 1] / losses[spent - 2]
        after = 1 - (losses[-1] / losses[spent]) ** (1 / (len(losses) - 1 - spent))
        if not (before >= self.falling and after <= self.slower * before):
            return None
        return self.finding(
            "problem",
            f"The learning rate falls too early: from epoch {spent + 1} of {len(rates)} on it was "
            f"below {percent(self.spent)} of its maximum. The training loss had been falling by "
            f"{percent(before)} per epoch, and fell by {percent(max(after, 0.0))} after that.",
            f"Keep the rate high for longer: {one_of(_later(evidence.recipe))}.",
            evidence.curves("train_loss"),
            spent_epoch=spent + 1,
            fall_before=before,
            fall_after=after,
        )

    def _accuracy(self, evidence: Evidence) -> float:
        """On what was trained on; augmented and mixed images alone would tell too little."""
        recorded = float(evidence.metric("train_accuracy")[-1])
        return max(recorded, evidence.seen_accuracy) if evidence.has_weights else recorded


def _later(recipe: Recipe) -> list[str]:
    """How the recipe's own schedule lasts longer, and another that lasts as long as training."""
    schedule: Any = recipe.schedule  # its keys depend on its name
    told: list[str] = []
    if schedule.name in ("step", "multi-step", "exponential"):
        told.append(f"a schedule.factor closer to 1 than {schedule.factor:g}")
    if schedule.name == "step":
        told.append(f"a schedule.every above {schedule.every}")
    if schedule.name == "multi-step":
        told.append("later schedule.milestones")
    if schedule.name == "exponential-step":
        told.append(f"a schedule.k below {schedule.k:g}")
    if (plateau := recipe.training.plateau) is not None:
        told.append(f"a training.plateau.patience above {plateau.patience}")
    if schedule.name != "cosine":
        told.append('schedule.name = "cosine"')
    return told or ["a schedule that ends with the training"]
