"""Domains: what values one key of a recipe may take in a study, as its TOML file tells them.

{ choice = ["relu", "tanh"] }                    one of these; lists and tables are values as well
{ range = [0.5, 0.95], step = 0.05 }             a number between the two, evenly spread
{ log = [1e-4, 1e-1] }                           a number between the two, spread by its order
{ int = [16, 256], step = 16 }                   a whole number; log = true spreads it by its order
{ length = [1, 3], each = { int = [16, 256] } }  a list of one to three values, each from a domain

`when = { "optimizer.name" = "momentum" }` makes the key exist only where another has that value, or
one of a list of values.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, cast

from pydantic import Discriminator, Field, Tag, model_validator

from handloom.recipes.schema.table import Count, Flag, Positive, Table, refuse, said

Value = Any
"""What TOML knows: numbers, texts, booleans, lists and tables of them."""
Choose = Callable[[str, "Axis"], Value]
"""(name, axis) -> the value it shall have: how a sampler, or a memory, leads through a space."""

MOST_VALUES = 100_000
"""More values of one domain are not listed."""
_DIGITS = 12  # of a step's multiple: 0.1 + 2 * 0.1 is to be 0.3
_Int = int  # within a class whose field is called int
_Number = Annotated[float, said("a number")]
_Pair = Annotated[tuple[_Number, _Number], Field(strict=False), said("two numbers, as in [0, 1]")]
_Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
_WholePair = Annotated[
    tuple[_Whole, _Whole], Field(strict=False), said("two whole numbers, as in [1, 8]")
]
_Lengths = Annotated[
    tuple[Annotated[int, Field(ge=0, le=100)], Annotated[int, Field(ge=1, le=100)]],
    Field(strict=False),
    said("two whole numbers up to 100, as in [1, 3]"),
]


class _Domain(Table):
    when: dict[str, Any] = Field(
        default_factory=dict
    )  # by key path: the value, or values, that another key has to have

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Whether the key exists beside the values that were chosen before it."""
        return all(
            path in chosen and any(same(chosen[path], wanted) for wanted in as_list(wanteds))
            for path, wanteds in self.when.items()
        )


class _Axis(_Domain):
    def walk(self, name: str, choose: Choose) -> Value:
        """The value that `choose` gives this key."""
        return choose(name, cast("Axis", self))


class Choice(_Axis):
    """One of a few values."""

    choice: Annotated[
        tuple[Any, ...], Field(strict=False, min_length=1), said("a list of values, at least one")
    ]

    @model_validator(mode="after")
    def _differ(self) -> Choice:
        for one, other in itertools.combinations(self.choice, 2):
            if same(one, other):
                refuse(f"choice has {json.dumps(one, default=str)} twice")
        return self

    def values(self) -> list[Value] | None:
        """All values."""
        return list(self.choice)

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of them."""
        return any(same(value, other) for other in self.choice)

    def ends(self) -> list[Value]:
        """Values that a recipe has to accept, if it is to accept all."""
        return list(self.choice)


class Range(_Axis):
    """A number between two, evenly spread, or a multiple of `step` from the lower one on."""

    range: _Pair
    step: Positive | None = None

    @model_validator(mode="after")
    def _rises(self) -> Range:
        _check_rising("range", *self.range)
        return self

    @property
    def count(self) -> int | None:
        """How many values there are; None without a step."""
        low, high = self.range
        return None if self.step is None else math.floor((high - low) / self.step + 1e-9) + 1

    def at(self, index: int) -> float:
        """The value so many steps above the lowest."""
        return round(self.range[0] + index * (self.step or 0.0), _DIGITS)

    def values(self) -> list[Value] | None:
        """All values; None without a step, or where they are too many to list."""
        if self.count is None or self.count > MOST_VALUES:
            return None
        return [self.at(index) for index in range(self.count)]

    def contains(self, value: Value) -> bool:
        """Whether `value` lies between the two."""
        return _is_number(value) and self.range[0] <= value <= self.range[1]

    def ends(self) -> list[Value]:
        """The two."""
        return list(self.range)


class Log(_Axis):
    """A number between two, its logarithm evenly spread."""

    log: _Pair

    @model_validator(mode="after")
    def _rises_above_zero(self) -> Log:
        _check_rising("log", *self.log)
        if self.log[0] <= 0:
            refuse(f"log starts at {self.log[0]:g}; a logarithm needs numbers above 0")
        return self

    def values(self) -> list[Value] | None:
        """None: there are too many."""
        return None

    def contains(self, value: Value) -> bool:
        """Whether `value` lies between the two."""
        return _is_number(value) and self.log[0] <= value <= self.log[1]

    def ends(self) -> list[Value]:
        """The two."""
        return list(self.log)


class Int(_Axis):
    """A whole number between two, or a multiple of `step` from the lower one on."""

    int: _WholePair
    step: Count = 1
    log: Flag = False  # its logarithm evenly spread

    @model_validator(mode="after")
    def _rises(self) -> Int:
        _check_rising("int", *self.int)
        if self.log and (self.step != 1 or self.int[0] < 1):
            refuse("log = true needs whole numbers from 1 up, and no step")
        return self

    @property
    def count(self) -> _Int:
        """How many values there are."""
        return (self.int[1] - self.int[0]) // self.step + 1

    def at(self, index: _Int) -> _Int:
        """The value so many steps above the lowest."""
        return self.int[0] + index * self.step

    def values(self) -> list[Value] | None:
        """All values; None where they are too many to list."""
        return None if self.count > MOST_VALUES else [self.at(n) for n in range(self.count)]

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of them."""
        low, high = self.int
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and low <= value <= high and (value - low) % self.step == 0

    def ends(self) -> list[Value]:
        """The lowest and the highest."""
        low, high = self.int
        return [low, high - (high - low) % self.step]


Axis = Choice | Range | Log | Int
"""A domain of single values: one dimension of what is searched."""


class ListOf(_Domain):
    """A list of values, as of layers' widths: first how many, then each."""

    length: _Lengths
    each: AxisTable

    @model_validator(mode="after")
    def _rises(self) -> ListOf:
        if self.length[0] != self.length[1]:
            _check_rising("length", *self.length)
        if self.each.when:
            refuse("when is for the whole list, not for each of its values")
        return self

    @property
    def count(self) -> Axis | None:
        """How many, as an axis; None where there is nothing to choose."""
        return None if self.length[0] == self.length[1] else Int(int=self.length)

    def walk(self, name: str, choose: Choose) -> Value:
        """The list whose length and values `choose` gives."""
        count = self.length[0] if self.count is None else choose(f"{name}.length", self.count)
        return [choose(f"{name}.{index}", self.each) for index in range(count)]

    def values(self) -> list[Value] | None:
        """All lists; None where its values are too many."""
        each = self.each.values()
        counts = range(self.length[0], self.length[1] + 1)
        if each is None or sum(len(each) ** count for count in counts) > MOST_VALUES:
            return None
        return [list(row) for count in counts for row in itertools.product(each, repeat=count)]

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of the lists."""
        return (
            isinstance(value, list)
            and self.length[0] <= len(value) <= self.length[1]
            and all(map(self.each.contains, value))
        )

    def ends(self) -> list[Value]:
        """The shortest and the longest list of each of its values' ends."""
        return [[end] * count for count in set(self.length) for end in self.each.ends()]


_SHAPES = (
    "a domain has to be one of { choice = […] }, { range = [low, high] }, { log = [low, high] }, "
    "{ int = [low, high] }, { length = [low, high], each = {…} }"
)


def kind_of(value: Any) -> str | None:
    """Which domain a table tells, or is; None where it is none."""
    keys = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", ())
    # `log` also stands beside `int`, where it is a switch.
    return next(
        (kind for kind in ("choice", "range", "int", "length", "log") if kind in keys), None
    )


def _told_apart(*, error: str) -> Discriminator:
    return Discriminator(
        kind_of, custom_error_type="conflict", custom_error_message=error, custom_error_context={}
    )


_Axes = (
    Annotated[Choice, Tag("choice")]
    | Annotated[Range, Tag("range")]
    | Annotated[Log, Tag("log")]
    | Annotated[Int, Tag("int")]
)
AxisTable = Annotated[_Axes, _told_apart(error="each has to be a choice, a range, a log or an int")]
Domain = Annotated[_Axes | Annotated[ListOf, Tag("length")], _told_apart(error=_SHAPES)]
ListOf.model_rebuild()


def same(one: Value, other: Value) -> bool:
    """Whether two values say the same in a recipe: 0 is 0.0, but True is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def as_list(value: Any) -> Iterable[Value]:
    """A value, or each of a list of them."""
    return value if isinstance(value, list) else [value]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_rising(key: str, low: float, high: float) -> None:
    if low >= high:
        refuse(f"{key} goes from {low:g} to {high:g}; the second number has to be above the first")
