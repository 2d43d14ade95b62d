"""Lookahead: slow weights that follow the fast ones, a share of the way every few steps."""

from __future__ import annotations

from dataclasses import dataclass

from handloom.optim._ranges import in_range, whole_number


@dataclass(frozen=True, slots=True)
class Lookahead:
    """Any rule, set back every `every` steps to slow weights s that went a share α of its way.

        every k steps:  s <- s + α (w - s)      w <- s

    The rule's own memory goes on as it is. The slow weights start as the weights do and are kept in
    the slot `slow` of every parameter. `share` lies in (0, 1], where 1 changes nothing; `every` is
    1 or more. Raises ConfigError outside of that.
    Source: Zhang et al. 2019, algorithm 1.
    """

    every: int = 5
    share: float = 0.5

    def __post_init__(self) -> None:
        whole_number("lookahead every", self.every, at_least=1)
        in_range("lookahead share", self.share, "(0, 1]")
