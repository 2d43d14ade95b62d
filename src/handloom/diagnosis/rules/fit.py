"""How well the network fits: too closely, or not closely enough."""

from __future__ import annotations

import math

import numpy as np

from handloom.diagnosis import advice
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import Rule, chance, has_learnt_nothing
from handloom.diagnosis.wording import figure
from handloom.views.style import percent

LATE = 3  # epochs that are averaged at the end: one alone may be chance


class Overfitting(Rule):
    """The validation loss has a lowest point, and rises after it while the training loss falls."""

    name = "overfitting"
    source = "Prechelt 1998, Early Stopping - But When?: the generalisation loss"
    needs_epochs = LATE + 2
    worth_a_word, grave = 0.10, 0.30  # of the lowest validation loss
    sure = 2.0  # standard errors of the validation loss: with few images it is noise
    felt = 0.004  # of ln K, by which the loss rises: next to none of a loss that is next to none

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare the mean of the last three epochs with the lowest."""
        validation, train = evidence.metric("val_loss"), evidence.metric("train_loss")
        if not np.isfinite(validation).any():
            return None
        best = int(np.nanargmin(validation))
        lowest, late = float(validation[best]), float(np.nanmean(validation[-LATE:]))
        rise = late / lowest - 1 if lowest > 0 else 0.0
        after = len(validation) - 1 - best
        if train[best] >= chance(evidence):
            return None  # nothing was learned, least of all by heart
        if rise < self.worth_a_word or after < LATE - 1 or not train[-1] < train[best]:
            return None
        if rise < self.sure * evidence.validation_loss_error:
            return None
        if late - lowest < self.felt * chance(evidence) < math.inf:
            return None
        epochs = len(validation)
        return self.finding(
            "problem" if rise >= self.grave else "hint",
            f"It overfits from epoch {best + 1} of {epochs}: the validation loss was lowest there, "
            f"{figure(lowest)}, and is {percent(rise)} higher at the end ({figure(late)}), while "
            "the training loss kept falling, from "
            f"{figure(train[best])} to {figure(train[-1])}.",
            f"Stop near epoch {best + 1} ({advice.early_stop(evidence.recipe)}), or make it harder "
            "to memorise the images: "
            + advice.one_of(advice.against_memorising(evidence.recipe))
            + ".",
            evidence.curves("val_loss"),
            start_epoch=best + 1,
            lowest_val_loss=lowest,
            rise=rise,
        )


class GeneralisationGap(Rule):
    """Images that were trained on are recognised far more often than others."""

    name = "generalisation-gap"
    source = "Goodfellow, Bengio & Courville 2016, sec. 5.2"
    worth_a_word, grave = 0.08, 0.20  # of accuracy
    sure = 3.0  # standard errors of the validation accuracy

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare the best weights' accuracy on both parts."""
        seen, unseen = evidence.seen_accuracy, evidence.validation_accuracy
        gap, count = seen - unseen, len(evidence.validation)
        error = np.sqrt(max(unseen * (1 - unseen), 0.25 / count) / count)
        if gap < self.worth_a_word or gap < self.sure * error:
            return None
        return self.finding(
            "problem" if gap >= self.grave else "hint",
            f"It is better on its training images than on others: the accuracy is {percent(seen)} "
            f"on them and {percent(unseen)} on {count:,} validation images.",
            "More images would help most; otherwise "
            + advice.one_of(advice.against_memorising(evidence.recipe))
            + ".",
            evidence.curves(evidence.recipe.training.monitor),
            train_accuracy=seen,
            validation_accuracy=unseen,
            gap=gap,
        )


class Underfitting(Rule):
    """It does worse, on its own training images, than looking up the most similar image."""

    name = "underfitting"
    source = (
        "Goodfellow, Bengio & Courville 2016, sec. 11.2 (a baseline first); Cover & Hart 1967 "
        "(the nearest neighbour)"
    )
    margin = 0.03  # of accuracy
    able = 0.1  # of the highest rate: at the end of a schedule any loss stands still
    falling = 0.97  # of the epoch before

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare with one of the simplest classifiers there is."""
        seen, nearest = evidence.seen_accuracy, evidence.nearest.accuracy
        if seen >= nearest - self.margin:
            return None
        remedies = [*advice.towards_fitting(evidence.recipe), "find a better learning rate with "
                    "--lr-range"]  # fmt: skip
        losses = evidence.metric("train_loss")
        told = (
            f"Try to {advice.one_of(remedies)}."
            if not len(losses)  # imported weights have no epochs, nor has a run that lost them
            else "It has learned almost nothing: find a learning rate that works with --lr-range."
            if has_learnt_nothing(evidence, float(losses[-1]))
            else "The training loss was still falling: train for more epochs."
            if self._was_falling(evidence)
            else f"The training loss had stopped falling: {advice.one_of(remedies)}."
        )
        return self.finding(
            "problem",
            f"It underfits: its accuracy on its own training images is {percent(seen)}, while "
            f"copying the label of the most similar of {evidence.nearest.num_known:,} images is "
            f"right for {percent(nearest)} of {evidence.nearest.num_asked:,} validation images.",
            told,
            evidence.curves(evidence.recipe.training.monitor),
            train_accuracy=seen,
            nearest_neighbour_accuracy=nearest,
        )

    def _was_falling(self, evidence: Evidence) -> bool:
        """Whether the loss fell by 3 % in the last epoch whose rate could move something."""
        losses, rates = evidence.metric("train_loss"), evidence.metric("lr")
        able = np.flatnonzero(rates >= self.able * np.max(rates, initial=0.0))
        last = int(able[-1]) if len(able) else len(losses) - 1
        return last > 0 and bool(losses[last] < self.falling * losses[last - 1])
