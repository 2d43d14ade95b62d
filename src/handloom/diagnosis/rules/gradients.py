"""The way back: gradients that vanish or explode between layers, steps of the wrong size."""

from __future__ import annotations

from handloom.diagnosis import advice
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.probe import Signal
from handloom.diagnosis.rules.base import Rule, is_dead
from handloom.diagnosis.wording import small
from handloom.views import Bar, Bars

VANISHING, EXPLODING = 1e-2, 1e2
"""Of the output layer's gradient: beyond, a hidden layer learns at another pace altogether."""


class _Gradients(Rule):
    """Both look at what reaches each layer, compared with what leaves the loss."""

    def why_not(self, evidence: Evidence) -> str:
        """It takes two layers, and something to send back."""
        if len(evidence.signals) < 2:
            return "the network has only one layer with weights"
        if not _output(evidence).norm:
            return "every image that was tried is fitted perfectly"
        return ""

    def told(self, evidence: Evidence, signal: Signal) -> str:
        """What reaches a layer, beside what leaves the loss."""
        return (
            f"the gradient has norm {small(signal.norm)} at layer {signal.path} ({signal.kind}), "
            f"and {small(_output(evidence).norm)} at the last layer, {_output(evidence).path}"
        )


class VanishingGradients(_Gradients):
    """On its way back the gradient shrinks, layer by layer, until nothing is left for the first."""

    name = "vanishing-gradients"
    source = "Hochreiter 1991; Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010, sec. 4.2"
    grave = 1e-4
    deep = 3  # layers; a network of fewer is not mended by leaving some out

    def examine(self, evidence: Evidence) -> Finding | None:
        """Find the layer that least reaches."""
        weakest = min(evidence.signals, key=lambda signal: signal.norm)
        ratio = weakest.norm / _output(evidence).norm
        if not ratio <= VANISHING or (not weakest.norm and is_dead(evidence)):
            return None
        return self.finding(
            "problem" if ratio <= self.grave else "hint",
            f"Gradients vanish: {self.told(evidence, weakest)}.",
            f"Try {advice.one_of(self._remedies(evidence))}.",
            _picture(evidence, "Vanishing gradients"),
            gradients={signal.path: signal.norm for signal in evidence.signals},
        )

    def _remedies(self, evidence: Evidence) -> list[str]:
        is_deep = len(evidence.signals) > self.deep
        more = ("residual blocks", "fewer layers") if is_deep else ()
        return _remedies(evidence, "relu", more) or ["fewer or wider layers"]


class ExplodingGradients(_Gradients):
    """On its way back the gradient grows, or all of it is enormous: one step undoes many."""

    name = "exploding-gradients"
    source = "Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013, sec. 2"
    enormous = 100.0  # mean norm of an epoch's gradients, all weights together

    def examine(self, evidence: Evidence) -> Finding | None:
        """Find the layer that most reaches; and look at the record of the whole gradient."""
        strongest = max(evidence.signals, key=lambda signal: signal.norm)
        ratio = strongest.norm / _output(evidence).norm
        norms = evidence.metric("grad_norm")
        recorded = float(norms[-1]) if len(norms) else 0.0
        if ratio >= EXPLODING:
            shown = self.told(evidence, strongest)
        elif recorded >= self.enormous:
            shown = f"their norm over all weights was {recorded:,.0f} in the last epoch"
        else:
            return None
        return self.finding(
            "problem",
            f"Gradients explode: {shown}.",
            "Bound them ("
            + advice.bound(evidence.recipe)
            + "), or try "
            + advice.one_of([advice.lower_rate(evidence.recipe), *_remedies(evidence, None, ())])
            + ".",
            _picture(evidence, "Exploding gradients"),
            gradients={signal.path: signal.norm for signal in evidence.signals},
        )


class UpdateRatios(Rule):
    """A step of the optimizer moves a weight by far more, or far less, than a thousandth of it."""

    name = "update-ratios"
    source = "Karpathy, CS231n notes on neural networks 3: update to weight ratios about 1e-3"
    usual = (2e-5, 5e-2)
    learnt = 0.97  # accuracy in training above which small steps are what is left to do

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare every weight's step, at the highest rate of the training, with its size."""
        least, most = self.usual
        excused = evidence.seen_accuracy >= self.learnt or is_dead(evidence)
        ill = {
            update.name
            for update in evidence.steps.updates
            if not update.ratio <= most or (update.ratio < least and not excused)
        }
        if not ill:
            return None
        told = ", ".join(
            f"{small(update.ratio)} of {update.name}"
            for update in evidence.steps.updates
            if update.name in ill
        )
        bars = tuple(
            Bar(update.name, update.ratio, small(update.ratio), update.name in ill)
            for update in evidence.steps.updates
        )
        return self.finding(
            "hint",
            f"Steps have an unusual size: at the learning rate {evidence.steps.lr:g}, one moves "
            f"{told}; from {small(least)} to {small(most)} is usual.",
            self._advice(evidence),
            Bars(
                "How far one step moves each weight",
                "Norm of the step over norm of the weight; green: the usual range.",
                "step / weight",
                bars,
                self.usual,
                is_log=True,
            ),
            ratios={update.name: update.ratio for update in evidence.steps.updates},
        )

    def _advice(self, evidence: Evidence) -> str:
        """Shorter steps, longer ones, or a rule that scales each weight's by itself."""
        least, most = self.usual
        ratios = [update.ratio for update in evidence.steps.updates]
        long, short = any(not r <= most for r in ratios), any(r < least for r in ratios)
        recipe, norms = evidence.recipe, evidence.metric("grad_norm")
        held = advice.held_back(recipe, float(norms[-1]) if len(norms) else 0.0)
        if long and not short:
            told = f"Lower optimizer.lr, or bound the steps: {advice.bound(recipe)}."
        elif short and not long:
            told = f"{held}." if held else "Raise optimizer.lr."
        else:
            told = "No single learning rate suits all layers."
        if recipe.optimizer.name in advice.ADAPTIVE or not any(
            least <= ratio <= most for ratio in ratios
        ):
            return told
        return (
            f'{told} Try an optimizer that scales each weight separately: optimizer.name = "adamw".'
        )


def _remedies(evidence: Evidence, activation: str | None, more: tuple[str, ...]) -> list[str]:
    """What keeps gradients of one size from layer to layer, as far as the network lacks it."""
    recipe = evidence.recipe
    suits = "he-normal"
    squashing = advice.layer_names(recipe) | {getattr(recipe.model, "activation", "")}
    if squashing & {"sigmoid", "tanh"}:
        suits = "xavier-uniform"
    else:
        activation = None
    if "res" in recipe.model.name:
        more = tuple(each for each in more if not each.startswith("residual"))
    return [
        *(advice.other_activation(recipe, activation) if activation else ()),
        *advice.normalising(recipe),
        *advice.first_weights(recipe, suits),
        *more,
    ]


def _output(evidence: Evidence) -> Signal:
    return evidence.signals[-1]


def _picture(evidence: Evidence, heading: str) -> Bars:
    output = _output(evidence).norm
    usual = (VANISHING * output, EXPLODING * output)
    bars = tuple(
        Bar(
            f"{signal.path} {signal.kind}",
            signal.norm,
            small(signal.norm),
            not usual[0] < signal.norm < usual[1],
        )
        for signal in evidence.signals
    )
    return Bars(
        heading,
        "The norm of the loss gradient at each layer's output, for one image, from the first layer "
        "to the last. Green: the usual range.",
        "norm of the gradient",
        bars,
        usual,
        is_log=True,
    )
