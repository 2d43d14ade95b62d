"""Units that do nothing: ReLUs that never fire, sigmoids that are stuck at an end."""

from __future__ import annotations

from collections.abc import Callable

from handloom.diagnosis import advice
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.probe import FLAT, Units
from handloom.diagnosis.rules.base import Rule
from handloom.views import Bar, Bars
from handloom.views.style import percent

MOST_LISTED = 4  # layers in a sentence


class DeadReLUs(Rule):
    """Units that give zero for every image: no gradient reaches them, so they never come back."""

    name = "dead-relus"
    source = "Maas, Hannun & Ng 2013, sec. 2; Lu et al. 2020, Dying ReLU and Initialization"
    worth_a_word, grave = 0.3, 0.6  # of a layer's units

    def why_not(self, evidence: Evidence) -> str:
        """Other activations do not die."""
        return "" if _of(evidence, "ReLU") else "the network has no ReLU"

    def examine(self, evidence: Evidence) -> Finding | None:
        """Count, layer by layer, the units that none of the images makes fire."""
        layers = _of(evidence, "ReLU")
        ill = [layer for layer in layers if _dead(layer) >= self.worth_a_word]
        if not ill:
            return None
        worst = max(ill, key=_dead)
        told = _listed([f"{u.dead} of {u.num_units} in layer {u.path}" for u in ill])
        return self.finding(
            "problem" if _dead(worst) >= self.grave else "hint",
            f"Many ReLUs are dead: {told} output zero for every image that was tried.",
            f"Try {advice.one_of(_against_death(evidence))}.",
            _bars(
                "Dead ReLUs by layer",
                "Units (channels of a convolution) that output zero for every image tried.",
                "share of units",
                layers,
                _dead,
                lambda u: f"{u.dead} of {u.num_units}",
                self.worth_a_word,
            ),
            dead={layer.path: layer.dead for layer in layers},
            units={layer.path: layer.num_units for layer in layers},
        )


class SaturatedUnits(Rule):
    """Sigmoids or tanhs at the flat ends of their curve, where no gradient comes through."""

    name = "saturated-units"
    source = "Glorot & Bengio 2010, Understanding the Difficulty of Training, sec. 3"
    worth_a_word, grave = 0.6, 0.85  # of a layer's outputs

    def why_not(self, evidence: Evidence) -> str:
        """Other activations have no such ends."""
        return "" if _of(evidence, "Sigmoid", "Tanh") else "the network has no sigmoid and no tanh"

    def examine(self, evidence: Evidence) -> Finding | None:
        """Measure, layer by layer, the share of outputs where the slope is next to zero."""
        layers = _of(evidence, "Sigmoid", "Tanh")
        ill = [layer for layer in layers if layer.saturated >= self.worth_a_word]
        if not ill:
            return None
        worst = max(ill, key=lambda layer: layer.saturated)
        told = _listed([f"{percent(u.saturated)} in layer {u.path}" for u in ill])
        kinds = advice.one_of(sorted({layer.kind for layer in ill}), "and")
        return self.finding(
            "problem" if worst.saturated >= self.grave else "hint",
            f"{kinds} units are saturated: {told} of the outputs lie where the slope is "
            f"below {percent(FLAT)} of its maximum.",
            f"Try {advice.one_of(_against_saturation(evidence))}.",
            _bars(
                "Saturated units by layer",
                f"Outputs at which the slope is below {percent(FLAT)} of its maximum.",
                "share of outputs",
                layers,
                lambda u: u.saturated,
                lambda u: percent(u.saturated),
                self.worth_a_word,
            ),
            saturated={layer.path: layer.saturated for layer in layers},
        )


def _against_death(evidence: Evidence) -> list[str]:
    """What keeps ReLUs alive, as far as the recipe lacks it."""
    recipe = evidence.recipe
    return [
        advice.lower_rate(recipe),
        *advice.warm_up(recipe),
        *advice.first_weights(recipe, "he-normal"),
        *advice.other_activation(recipe, "leaky-relu"),
    ]


def _against_saturation(evidence: Evidence) -> list[str]:
    """What keeps squashing units on their slope, as far as the recipe lacks it."""
    recipe = evidence.recipe
    standard = recipe.data.normalise == "standard"
    return [
        advice.lower_rate(recipe),
        *advice.first_weights(recipe, "xavier-uniform"),
        *([] if standard else ['data.normalise = "standard"']),
        *advice.normalising(recipe),
        *advice.other_activation(recipe, "relu"),
    ]


def _listed(each: list[str]) -> str:
    """The first ones, and how many there are besides."""
    more = len(each) - MOST_LISTED
    return ", ".join(each[:MOST_LISTED]) + (
        f", and so on in {more} more layers" if more > 0 else ""
    )


def _of(evidence: Evidence, *kinds: str) -> list[Units]:
    return [layer for layer in evidence.units if layer.kind in kinds]


def _dead(layer: Units) -> float:
    return layer.dead / layer.num_units


def _bars(
    heading: str,
    note: str,
    unit: str,
    layers: list[Units],
    value: Callable[[Units], float],
    told: Callable[[Units], str],
    limit: float,
) -> Bars:
    bars = (
        Bar(f"{layer.path} {layer.kind}", value(layer), told(layer), value(layer) >= limit)
        for layer in layers
    )
    return Bars(heading, note, unit, tuple(bars), (0.0, limit))
