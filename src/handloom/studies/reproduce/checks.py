"""What a conclusion can say: one beats another, a figure is reached, an epoch is near.

Each is a pure function of the figures. What chance may account for (see `difference.py`) is left
open rather than taken for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from handloom.studies.reproduce.claims import Judgement, Verdict
from handloom.studies.reproduce.difference import difference, margin_of
from handloom.studies.reproduce.figures import Evidence, SubjectResults

QUICKER = 1.1  # times: shared machines make smaller differences of seconds by themselves
RISES = 0.01  # of the lowest validation loss


@dataclass(frozen=True, slots=True)
class Beats:
    """`better` is more accurate than `worse`."""

    better: str
    worse: str
    what: str = "test_accuracy"

    @property
    def labels(self) -> tuple[str, ...]:
        """Both."""
        return self.better, self.worse

    def __call__(self, evidence: Evidence) -> Judgement:
        """Held or not where the difference is beyond chance."""
        better, worse = evidence[self.better], evidence[self.worse]
        apart = difference(better, worse, self.what)
        because = f"{better.mean(self.what):.4f} against {worse.mean(self.what):.4f}, {apart}"
        return Judgement(_verdict(held=apart.is_above, failed=apart.is_below), because)


@dataclass(frozen=True, slots=True)
class KeepsUp:
    """`label` is as accurate as `other`, or less so by no more than `within`."""

    label: str
    other: str
    within: float = 0.002
    what: str = "test_accuracy"

    @property
    def labels(self) -> tuple[str, ...]:
        """Both."""
        return self.label, self.other

    def __call__(self, evidence: Evidence) -> Judgement:
        """Held or not where the whole interval is on one side of `within`."""
        own, other = evidence[self.label], evidence[self.other]
        apart = difference(own, other, self.what)
        because = f"{own.mean(self.what):.4f} against {other.mean(self.what):.4f}, {apart}"
        return Judgement(
            _verdict(
                held=apart.mean - apart.margin >= -self.within,
                failed=apart.mean + apart.margin < -self.within,
            ),
            because,
        )


@dataclass(frozen=True, slots=True)
class Descends:
    """Accuracy falls along `labels`, from the first to the last."""

    labels: tuple[str, ...]
    what: str = "test_accuracy"

    def __call__(self, evidence: Evidence) -> Judgement:
        """Held if no step rises and the whole way is beyond chance; not if a rise is beyond it."""
        steps = [
            difference(evidence[one], evidence[next_one], self.what)
            for one, next_one in pairwise(self.labels)
        ]
        whole = difference(evidence[self.labels[0]], evidence[self.labels[-1]], self.what)
        means = ", ".join(f"{evidence[label].mean(self.what):.4f}" for label in self.labels)
        because = f"{means}; first less last {whole}"
        descends = whole.is_above and all(step.mean >= 0 for step in steps)
        rises = whole.is_below or any(step.is_below for step in steps)
        return Judgement(_verdict(held=descends, failed=rises), because)


@dataclass(frozen=True, slots=True)
class IsBest:
    """`label` is the most accurate of all configurations."""

    label: str
    what: str = "validation_accuracy"

    @property
    def labels(self) -> tuple[str, ...]:
        """The one; the others are all that there are."""
        return (self.label,)

    def __call__(self, evidence: Evidence) -> Judgement:
        """Left open where another is ahead of it by no more than chance may account for."""
        order, own = ranking(evidence, self.what), evidence[self.label]
        rank = order.index(self.label) + 1
        if len(order) == 1:
            return Judgement(Verdict.OPEN, "there is nothing to compare it with")
        if rank == 1:
            ahead = difference(own, evidence[order[1]], self.what)
            because = f"first of {len(order)}, ahead of {order[1]} by {ahead}"
            return Judgement(Verdict.HELD, because)
        behind = difference(evidence[order[0]], own, self.what)
        because = f"number {rank} of {len(order)}, behind {order[0]} by {behind}"
        return Judgement(Verdict.FAILED if behind.is_above else Verdict.OPEN, because)


@dataclass(frozen=True, slots=True)
class Reaches:
    """The accuracy of `label` is at least the published one."""

    label: str
    published: float
    what: str = "test_accuracy"

    @property
    def labels(self) -> tuple[str, ...]:
        """The one."""
        return (self.label,)

    def __call__(self, evidence: Evidence) -> Judgement:
        """Left open where it falls short by less than so many images tell of an accuracy."""
        figures = evidence[self.label]
        ours = figures.mean(self.what)
        margin = margin_of(self.published, figures.pictures(self.what))
        because = f"{ours:.4f}, {ours - self.published:+.4f}"
        if ours >= self.published:
            return Judgement(Verdict.HELD, because)
        verdict = Verdict.OPEN if self.published - ours < margin else Verdict.FAILED
        return Judgement(verdict, f"{because}; ± {margin:.4f} sampling error")


@dataclass(frozen=True, slots=True)
class LowestNear:
    """Validation loss of `label` is lowest within `around` epochs of `epoch`."""

    label: str
    epoch: int
    around: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The one."""
        return (self.label,)

    def __call__(self, evidence: Evidence) -> Judgement:
        """Held or not; of several seeds the mean counts."""
        figures = evidence[self.label]
        ours = figures.mean("lowest_epoch")
        near = abs(ours - self.epoch) <= self.around
        return Judgement(
            Verdict.HELD if near else Verdict.FAILED,
            f"lowest at epoch {_listed(figures, 'lowest_epoch')} of {figures.mean('epochs'):.0f}",
        )


@dataclass(frozen=True, slots=True)
class Overfits:
    """Validation loss of `label` ends above its lowest, by a hundredth of it or more."""

    label: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The one."""
        return (self.label,)

    def __call__(self, evidence: Evidence) -> Judgement:
        """Held or not; of several seeds the mean counts."""
        rise = evidence[self.label].mean("rise")
        return Judgement(
            Verdict.HELD if rise >= RISES else Verdict.FAILED,
            f"validation loss ends {rise:.1%} above its lowest",
        )


@dataclass(frozen=True, slots=True)
class IsQuicker:
    """`quicker` trains in less time than `slower`."""

    quicker: str
    slower: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Both."""
        return self.quicker, self.slower

    def __call__(self, evidence: Evidence) -> Judgement:
        """Left open where the two are within a tenth."""
        quick, slow = (evidence[label].mean("seconds") for label in self.labels)
        verdict = _verdict(held=slow > QUICKER * quick, failed=quick > QUICKER * slow)
        return Judgement(verdict, f"{quick:,.1f} s against {slow:,.1f} s")


def ranking(evidence: Evidence, what: str) -> list[str]:
    """The labels of all configurations, the most accurate first; of equals the earlier one."""
    return sorted(evidence, key=lambda label: evidence[label].mean(what), reverse=True)


def _verdict(*, held: bool, failed: bool) -> Verdict:
    """What neither holds nor fails is left open."""
    if failed:
        return Verdict.FAILED
    return Verdict.HELD if held else Verdict.OPEN


def _listed(figures: SubjectResults, what: str) -> str:
    """'42', or of several seeds '42, 39 and 44'."""
    *rest, last = (f"{value:.0f}" for value in figures.values(what).values())
    return f"{', '.join(rest)} and {last}" if rest else last
