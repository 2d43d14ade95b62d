"""Images that are both in the training split and in a held-out one."""

from __future__ import annotations

from handloom.data import Dataset
from handloom.diagnosis.duplicates import NEAR, Pair
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import Rule
from handloom.diagnosis.wording import place
from handloom.views import Twin, Twins
from handloom.views.style import percent

MOST_SHOWN = 16


class Duplicates(Rule):
    """Images of the training split are in the test or the validation split as well."""

    name = "duplicates"
    source = "Barz & Denzler 2020, Do We Train on Test Data? (ciFAIR)"
    needs_weights = False
    share, at_least = 0.005, 3  # of a part: below, no figure changes by what could be noticed

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare every held-out image with all that were trained on."""
        parts = evidence.parts
        found = [("validation", parts.validation, evidence.shared_with_validation)]
        if parts.test is not None:
            found.insert(0, ("test", parts.test, evidence.shared_with_test))
        ill = [
            (name, part, pairs)
            for name, part, pairs in found
            if len(pairs) >= max(self.at_least, self.share * len(part))
        ]
        if not ill:
            return None
        told = " and ".join(
            f"{len(pairs):,} of {len(part):,} {name} images ({percent(len(pairs) / len(part))})"
            for name, part, pairs in ill
        )
        exact = sum(pair.difference == 0 for *_, pairs in ill for pair in pairs)
        note = (
            f"{told} are also in the training split, {exact:,} with identical pixels. Images count "
            f"as the same if they differ by less than {percent(NEAR)} of the contrast.{_shown(ill)}"
        )
        return self.finding(
            "problem",
            f"The splits overlap: {told} are also in the training split, {exact:,} with identical "
            "pixels. Metrics measured on them are better than those on new images will be.",
            "Remove them from the training split or from the other one, and train again.",
            _twins(evidence, ill, note),
            shared={name: len(pairs) for name, _, pairs in found},
            exact=exact,
        )


def _shown(found: list[tuple[str, Dataset, tuple[Pair, ...]]]) -> str:
    """That not all are on the sheet, where that is so."""
    total = sum(len(pairs) for *_, pairs in found)
    return f" Shown: the {MOST_SHOWN} that differ least." if total > MOST_SHOWN else ""


def _twins(
    evidence: Evidence, found: list[tuple[str, Dataset, tuple[Pair, ...]]], note: str
) -> Twins:
    """The pairs that differ least."""
    every = [(pair, part, name) for name, part, pairs in found for pair in pairs]
    every.sort(key=lambda each: each[0].difference)
    shown = []
    for pair, part, name in every[:MOST_SHOWN]:
        first, second = evidence.parts.train.images[pair.first], part.images[pair.second]
        row = pair.second if name == "test" else evidence.row_of(second)
        places = (place("train", evidence.row_of(first)), place(name, row))
        shown.append(Twin(first, second, *places, pair.difference))
    return Twins(tuple(shown), note)
