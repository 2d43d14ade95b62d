"""What a pair comes to, in a sentence that anybody can read."""

from __future__ import annotations

from handloom.studies.compare.evaluation import Part
from handloom.studies.compare.pairs import ALPHA, RowPair

LEAST_P = 1e-4  # smaller ones are told as smaller than it


def sentence_of(pair: RowPair, part: Part, pairs: int) -> str:
    """Whether the difference is real, and by which figures; `pairs` were tested together."""
    if pair.why_untested:
        return f"{pair.first} and {pair.second} cannot be tested: {pair.why_untested}."
    if not pair.only_first and not pair.only_second:
        return f"{pair.first} and {pair.second} are correct on exactly the same images."
    tell = _of_one_seed if len(pair.witnesses) == 1 else _of_seeds
    return tell(pair, part, _probability(pair, pairs))


def _of_one_seed(pair: RowPair, part: Part, probability: str) -> str:
    better, worse = _ranked(pair)
    more, fewer = sorted((pair.only_first, pair.only_second), reverse=True)
    figures = (
        f"of the same {pair.pictures:,} {part} images, {more:,} are classified correctly only by "
        f"{better}, {fewer:,} only by {worse}, and the rest by both or by neither ({probability})"
    )
    if pair.is_real:
        return (
            f"{better} is better than {worse}, and the difference between these two networks is "
            f"significant: {figures}. Only more seeds can show whether it holds for the recipes."
        )
    return f"No significant difference between {better} and {worse} with one seed: {figures}."


def _of_seeds(pair: RowPair, part: Part, probability: str) -> str:
    better, worse = _ranked(pair)
    lead, what = _lead(pair), _kind(pair)
    counted, decides = f"{len(pair.witnesses)} {what}", pair.tests[0]
    if pair.is_real:
        where = f"over {counted}"
        if "over images" in (test.name for test in pair.tests):
            where += " and over the images"
        return (
            f"{better} is better than {worse} by {lead}, and the difference is significant: it "
            f"holds {where} ({probability})."
        )
    chance = (
        f"the choice of the {part} images"
        if decides.name == "over images"
        else f"the choice of the {what}"
    )
    return (
        f"No significant difference between {better} and {worse} over {counted}: {better} leads by "
        f"{lead}, which {chance} alone could explain ({probability}).{_one_by_one(pair)}"
    )


def _kind(pair: RowPair) -> str:
    """What the runs differ in."""
    if len({witness.fold for witness in pair.witnesses}) == 1:
        return "seeds"
    return "folds" if len({witness.seed for witness in pair.witnesses}) == 1 else "folds and seeds"


def _one_by_one(pair: RowPair) -> str:
    """What two networks at a time tell, where that is clearer than all together."""
    clear = sum(
        p < ALPHA and difference * pair.difference > 0
        for p, difference in zip(pair.each_p, pair.each_difference, strict=True)
    )
    if 2 * clear <= len(pair.witnesses):
        return ""
    return (
        f" Between two networks at a time the lead is clear in {clear} of {len(pair.witnesses)} "
        f"(McNemar, p below {ALPHA}): more seeds may decide it."
    )


def _ranked(pair: RowPair) -> tuple[str, str]:
    """The better one first."""
    first, second = pair.first, pair.second
    return (first, second) if pair.difference >= 0 else (second, first)


def _lead(pair: RowPair) -> str:
    """'0.0031 (95 %: 0.0012 to 0.0050)', of the better one."""
    interval = pair.tests[0].interval
    lead = f"{abs(pair.difference):.4f}"
    if interval is None:
        return lead
    low, high = interval if pair.difference >= 0 else interval.turned()
    return f"{lead} (95 %: {low:.4f} to {high:.4f})"


def _probability(pair: RowPair, pairs: int) -> str:
    """'McNemar, p = 0.0021; 0.0063 by Holm's correction for 3 pairs'."""
    decides = pair.tests[0]
    test = f"{decides.name}, {p_in_words(decides.p)}"
    if pairs == 1 or pair.p_adjusted is None:
        return test
    return f"{test}; {p_in_words(pair.p_adjusted)} by Holm's correction for {pairs} pairs"


def p_in_words(p: float) -> str:
    """Two digits of it, or that it is small."""
    if p < LEAST_P:
        return f"p < {LEAST_P:.4f}"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.2g}"
