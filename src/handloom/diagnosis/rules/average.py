"""The average of the weights: a memory longer than the training."""

from __future__ import annotations

from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import Rule
from handloom.optim import average_decay
from handloom.views.style import percent


class AverageTooLong(Rule):
    """The average of the weights would remember more steps than the training has."""

    name = "average-too-long"
    source = (
        "Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging; the "
        "warm-up: TensorFlow, tf.train.ExponentialMovingAverage"
    )
    needs_epochs = 1
    behind = 0.03  # validation accuracy that the average lacks beside the weights themselves
    share = 10  # a memory of a tenth of the training's steps is advised

    def why_not(self, evidence: Evidence) -> str:
        """There has to be an average."""
        return (
            ""
            if evidence.recipe.training.ema
            else "the recipe keeps no average of the weights (training.ema)"
        )

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare what the average remembers with the steps, and its accuracy with the weights'."""
        decay = evidence.recipe.training.ema
        assert decay is not None
        memory, steps = 1 / (1 - decay), _steps(evidence)
        averaged, own = evidence.averaged_accuracy, evidence.last_accuracy
        lags = own - averaged >= self.behind
        if not lags and memory <= steps:
            return None
        reached = average_decay(decay, steps)
        sentence = (
            f"The average of the weights is too long: training.ema = {decay:g} spans "
            f"{memory:,.0f} steps, and the training has {steps:,}"
        )
        if lags:
            sentence += (
                f". Its validation accuracy is {percent(averaged)}, and that of the weights "
                f"that it averages is {percent(own)}."
            )
        else:
            sentence += (
                f". Its warm-up never ended: the decay reached {reached:.3f}, and any larger "
                "training.ema gives the same result."
            )
        advised = max(0.5, 1 - self.share / steps)
        shorter = (
            f"Use training.ema = {advised:.3g}, which spans about a tenth of the steps"
            if advised < decay
            else f"Use a training.ema below {decay:g}"
        )
        return self.finding(
            "problem" if lags else "hint",
            sentence,
            f"{shorter}; train for more epochs; or remove it.",
            evidence.curves("val_loss"),
            remembers=round(memory),
            steps=steps,
            averaged_accuracy=averaged,
            last_accuracy=own,
        )


def _steps(evidence: Evidence) -> int:
    """Of the whole training: those that were done, or will have been when it ends."""
    rows = evidence.rows
    if evidence.run.is_finished:
        return rows[-1]["step"]
    return round(rows[-1]["step"] / len(rows) * evidence.recipe.training.epochs)
