"""The classes: some with far fewer images than others, two that are taken for each other."""

from __future__ import annotations

from collections import Counter

import numpy as np

from handloom.diagnosis.advice import has_convolutions, one_of
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import Rule
from handloom.views import Bar, Bars, confused_pairs, confusion
from handloom.views.style import percent


class ClassImbalance(Rule):
    """One class has many times the images of another, which is learned the worse for it."""

    name = "class-imbalance"
    source = "He & Garcia 2009, Learning from Imbalanced Data; Buda, Maki & Mazurowski 2018"
    needs_weights = False
    worth_a_word, grave = 3.0, 10.0  # times as many
    sure = 4.0  # standard deviations below the mean: with few images chance is uneven, too

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare the largest class of the training split with the smallest."""
        counts, names = evidence.parts.train.class_counts(), evidence.run.class_names
        rare, common = int(counts.argmin()), int(counts.argmax())
        ratio = counts[common] / max(counts[rare], 1)
        mean = counts.mean()
        if ratio < self.worth_a_word or mean - counts[rare] < self.sure * mean**0.5:
            return None
        loss = evidence.recipe.loss
        weighted = getattr(loss, "class_weights", None) is not None
        weighable = "class_weights" in type(loss).model_fields and not weighted
        few = counts * self.worth_a_word <= counts[common]
        bars = tuple(
            Bar(name, float(count), f"{count:,}", bool(ill))
            for name, count, ill in zip(names, counts, few, strict=True)
        )
        severity = "problem" if ratio >= self.grave and not weighted else "hint"
        return self.finding(
            severity,
            f"The classes are imbalanced: {names[common]} has {counts[common]:,} training images, "
            f"{names[rare]} {counts[rare]:,}{self._recall(evidence, rare)}.",
            "Compare classes by their recall, not by accuracy"
            + ("; weight the rare ones more: loss.class_weights" if weighable else "")
            + f". More images of {one_of([names[k] for k in np.flatnonzero(few)[:3]], 'and')} "
            + "would help most.",
            Bars(
                "Training images of each class",
                f"Marked: classes with {percent(1 / self.worth_a_word)} of the largest one's "
                "images, or fewer.",
                "pictures",
                bars,
            ),
            counts=dict(zip(names, counts.tolist(), strict=True)),
        )

    def _recall(self, evidence: Evidence, rare: int) -> str:
        """How well the rare class is recognised, where that can be told."""
        if not evidence.has_weights:
            return ""
        labels = evidence.validation.labels
        right = evidence.validation_probabilities.argmax(axis=1) == labels
        if not (labels == rare).any():
            return ", and none in the validation split to judge it by"
        own, others = right[labels == rare].mean(), right[labels != rare].mean()
        return (
            f"; its validation recall is {percent(float(own))}, and that of "
            f"the other classes {percent(float(others))}"
        )


class ConfusedPair(Rule):
    """Two classes, taken for each other, carry most of the mistakes."""

    name = "confused-pair"
    source = "Xiao, Rasul & Vollgraf 2017 (Fashion-MNIST's shirts); every confusion matrix"
    share, at_least = 0.4, 20  # of the mistakes, which have to be so many
    classes = 4  # with fewer, some pair has to carry most

    def why_not(self, evidence: Evidence) -> str:
        """There have to be pairs to choose from, and mistakes."""
        if len(evidence.run.class_names) < self.classes:
            return (
                f"with fewer than {self.classes} classes, some pair always has most of the mistakes"
            )
        return ""

    def examine(self, evidence: Evidence) -> Finding | None:
        """Count the mistakes of each pair, both ways together."""
        labels, probabilities = evidence.validation.labels, evidence.validation_probabilities
        names = evidence.run.class_names
        table = confusion(labels, probabilities.argmax(axis=1), names, "validation")
        both: Counter[tuple[int, int]] = Counter()
        for true, said, times in zip(table.true, table.predicted, table.times, strict=True):
            if true != said:
                both[int(min(true, said)), int(max(true, said))] += int(times)
        wrong, most = both.total(), max(both.values(), default=0)
        if wrong < self.at_least or most < self.share * wrong:
            return None
        first, second = (names[k] for k in min(pair for pair in both if both[pair] == most))
        return self.finding(
            "hint",
            f"Most mistakes are between {first} and {second}: {most:,} of {wrong:,} on validation "
            f"images ({percent(most / wrong)}) confuse the two.",
            "Look at these images: if a person cannot distinguish them either, they may not need "
            f"to be two classes. Otherwise {one_of(_remedies(evidence))} may help.",
            confused_pairs(table, evidence.validation.images, labels, probabilities),
            pair=[first, second],
            mistakes=most,
            all_mistakes=wrong,
        )


def _remedies(evidence: Evidence) -> list[str]:
    """What would tell two classes apart; images of a known set are as large as they are."""
    own = evidence.recipe.data.name is None
    network = "a larger network"
    if not has_convolutions(evidence.recipe):
        network = "convolutions instead of dense layers"
    return ["more images of the two", *(["larger images"] if own else []), network]
