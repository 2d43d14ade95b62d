"""The learning rate: too high, too low, or outside what the range test found."""

from __future__ import annotations

import math

import numpy as np

from handloom.diagnosis import advice
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import Rule, chance, has_learnt_nothing, is_dead
from handloom.diagnosis.wording import figure, small, two_digits
from handloom.views.style import percent


class RateTooHigh(Rule):
    """Steps are so long that they lead out of the valley: the training loss itself rises."""

    name = "learning-rate-too-high"
    source = "Bengio 2012, Practical Recommendations, sec. 3.1.1"
    needs_epochs = 2
    rise = 1.2  # of the lowest training loss
    far = 3.0  # times its first size that a weight went, all for nothing
    above_chance = 1.5  # of ln K
    worsened, tried = 0.5, 4  # of the steps that were tried, which have to be so many
    undecayed = 0.5  # of the recipe's rate, so that those steps are still the training's own

    def examine(self, evidence: Evidence) -> Finding | None:
        """Look for a loss that rises, for weights thrown away, for steps that make it worse."""
        checks = (self._rising, self._thrown, self._above_chance, self._worsening)
        shown = next((told for check in checks if (told := check(evidence))), "")
        if not shown:
            return None
        lr = evidence.recipe.optimizer.lr
        return self.finding(
            "problem",
            f"The learning rate {lr:g} is too high: {shown}.",
            f"Use optimizer.lr = {two_digits(lr / 10)} or less, or let --lr-range find which "
            "rates work; for a training that diverges at the start, try "
            + advice.one_of([*advice.warm_up(evidence.recipe), advice.bound(evidence.recipe)])
            + ".",
            evidence.curves("train_loss"),
            lr=lr,
        )

    def _rising(self, evidence: Evidence) -> str:
        losses = evidence.metric("train_loss")
        lowest, quarter = int(np.nanargmin(losses)), max(1, len(losses) // 4)
        late = losses[max(lowest + 1, len(losses) - quarter) :]
        if len(late) < quarter or not np.nanmean(late) > self.rise * losses[lowest]:
            return ""
        return (
            f"the training loss rose from {figure(losses[lowest])} in epoch {lowest + 1} to "
            f"{figure(float(np.nanmean(late)))} at the end, which overfitting does not do"
        )

    def _thrown(self, evidence: Evidence) -> str:
        lowest = float(np.nanmin(evidence.metric("train_loss")))
        if not has_learnt_nothing(evidence, lowest) or evidence.travelled < self.far:
            return ""
        return (
            f"a weight moved {evidence.travelled:,.0f} times its own norm away from its initial "
            f"value, and nothing was learned: the lowest training loss is {figure(lowest)}, and "
            f"guessing gives {figure(chance(evidence))}"
        )

    def _above_chance(self, evidence: Evidence) -> str:
        losses = evidence.metric("train_loss")
        worst = int(np.nanargmax(losses))
        if not losses[worst] >= self.above_chance * chance(evidence):
            return ""
        if worst == 0 and evidence.first_loss >= self.above_chance * chance(evidence):
            return ""  # that was the first weights' doing
        return (
            f"the training loss of epoch {worst + 1} was {figure(losses[worst])}, and guessing "
            f"gives {figure(chance(evidence))}"
        )

    def _worsening(self, evidence: Evidence) -> str:
        rates = evidence.metric("lr")
        if not rates[-1] >= self.undecayed * evidence.recipe.optimizer.lr:
            return ""
        steps = evidence.steps
        if steps.worsened < self.worsened or steps.tried < self.tried:
            return ""
        return (
            f"{percent(steps.worsened)} of the next steps would increase the loss of their "
            "own batch"
        )


class RateTooLow(Rule):
    """The training creeps: each step moves the weights by next to nothing, and much is to learn."""

    name = "learning-rate-too-low"
    source = "Karpathy, CS231n notes on neural networks 3: update to weight ratios about 1e-3"
    needs_epochs = 3
    creeping = 3e-4  # ‖Δw‖ / ‖w‖ of the weight that moves fastest
    learnt = 0.97  # accuracy in training above which there is nothing to hurry for

    def examine(self, evidence: Evidence) -> Finding | None:
        """Look for a loss that falls, and for updates that are hardly any."""
        accuracy, losses = evidence.metric("train_accuracy"), evidence.metric("train_loss")
        # Augmented and mixed images are recognised less often than they will be as they are.
        if max(accuracy[-1], evidence.seen_accuracy) >= self.learnt or not losses[-1] < losses[0]:
            return None
        fastest = max((update.ratio for update in evidence.steps.updates), default=math.inf)
        if fastest >= self.creeping or is_dead(evidence):
            return None
        lr = evidence.recipe.optimizer.lr
        return self.finding(
            "problem",
            f"The learning rate {lr:g} is too low: a step moves no weight by more than "
            f"{small(fastest)} of its norm, and in {len(losses)} epochs the training loss went "
            f"from {figure(losses[0])} to {figure(losses[-1])}.",
            self._advice(evidence),
            evidence.curves("train_loss"),
            lr=lr,
            largest_update_ratio=fastest,
        )

    def _advice(self, evidence: Evidence) -> str:
        norms = evidence.metric("grad_norm")
        if held := advice.held_back(evidence.recipe, float(norms[-1]) if len(norms) else 0.0):
            return (
                f"{held}. Otherwise a larger optimizer.lr helps; --lr-range finds which ones work."
            )
        larger = 10 * evidence.recipe.optimizer.lr
        return (
            f"Use optimizer.lr = {two_digits(larger)} or more, or let --lr-range find which rates "
            "work."
        )


class RateOutOfRange(Rule):
    """The recipe's rate lies outside what the range test shows to work. On request."""

    name = "learning-rate-range"
    source = "Smith 2017, Cyclical Learning Rates, sec. 3.3"
    needs_weights = False
    below = 30.0  # times under the steepest fall

    def why_not(self, evidence: Evidence) -> str:
        """It is a training of its own, so it has to be asked for."""
        return "" if evidence.range_test else "it runs only with --lr-range"

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare the recipe's rate with the steepest fall and the lowest point."""
        found = evidence.rate_range
        if found.steepest is None or found.largest is None:
            return self.finding(
                "problem",
                f"The loss fell at no learning rate from {found.rates[0]:.0e} to "
                f"{found.rates[-1]:.2g}: the learning rate is not what keeps this network from "
                "learning.",
                "Look at the layers (dead or saturated units, vanishing gradients) and at the "
                "labels.",
                found,
            )
        if found.steepest / self.below <= found.used <= found.largest:
            return None
        high = found.used > found.largest
        return self.finding(
            "problem",
            f"The learning rate {found.used:g} is {'above' if high else 'below'} the rates that "
            f"work: the loss fell fastest at {found.steepest:.2g}, and stopped falling beyond "
            f"{found.largest:.2g}.",
            f"Use optimizer.lr = {found.steepest:.1g}.",
            found,
            lr=found.used,
            steepest=found.steepest,
            largest=found.largest,
        )
