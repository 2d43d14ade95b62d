"""Pictures that were trained on and are tested on."""

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
    """Pictures of the training part stand in the test or the validation part as well."""

    name = "duplicates"
    source = "Barz & Denzler 2020, Do We Train on Test Data? (ciFAIR)"
    needs_weights = False
    share, at_least = 0.005, 3  # of a part: below, no figure changes by what could be noticed

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare every held-out picture with all that were trained on."""
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
            f"{len(pairs):,} of {len(part):,} {name} pictures ({percent(len(pairs) / len(part))})"
            for name, part, pairs in ill
        )
        exact = sum(pair.difference == 0 for *_, pairs in ill for pair in pairs)
        note = (
            f"{told} were trained on, {exact:,} of them to the pixel. A picture counts as the same "
            f"while it differs by less than {percent(NEAR)} of its contrast.{_shown(ill)}"
        )
        return self.finding(
            "problem",
            f"Parts of the data overlap: {told} were trained on as well, {exact:,} of them to the "
            "pixel. What is measured there is better than what new pictures will see.",
            "Take them out of the training part, or out of the other one, and train again.",
            _twins(evidence, ill, note),
            shared={name: len(pairs) for name, _, pairs in found},
            exact=exact,
        )


def _shown(found: list[tuple[str, Dataset, tuple[Pair, ...]]]) -> str:
    """That not all are on the sheet, where that is so."""
    total = sum(len(pairs) for *_, pairs in found)
    return f" The {MOST_SHOWN} that differ least are shown." if total > MOST_SHOWN else ""


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
