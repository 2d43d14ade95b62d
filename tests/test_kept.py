"""What a run's JSON files may hold: each kind of value at its limits, and where one is wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest

from handloom import _kept as kept
from handloom._kept import check_kept
from handloom.errors import RunError

BIG = 2**53
GOOD: dict[str, tuple[Any, list[Any]]] = {
    "COUNT": (kept.COUNT, [0, 1, BIG - 1]),
    "NUMBER": (kept.NUMBER, [0, -3, 2.5, -9e299, 9e299]),
    "NUMBER_OR_NULL": (kept.NUMBER_OR_NULL, [None, 0.5, -1]),
    "SHARE": (kept.SHARE, [0, 0.0, 0.5, 1, 1.0]),
    "TEXT": (kept.TEXT, ["", "a", "ä 中", "x" * 1000]),
    "TEXT_OR_NULL": (kept.TEXT_OR_NULL, [None, "a"]),
    "SIGN": (kept.SIGN, [True, False]),
    "TABLE": (kept.TABLE, [{}, {"a": 1}]),
    "NUMBERS": (kept.NUMBERS, [[], [1, 2.5]]),
    "TEXTS": (kept.TEXTS, [[], ["a", "b", "a"]]),
    "names": (kept.DATA["class_names"], [["a"], ["a", "b"], [" a"]]),
    "shape": (
        kept.DATA["image_shape"], [[1, 1, 1], [3, 65535, 28], [65535, 65535, 65535]],
    ),
}  # fmt: skip
BAD: dict[str, list[Any]] = {
    "COUNT": [-1, BIG, 1.0, True, None, "1", [1]],
    "NUMBER": [1e300, -1e300, math.inf, math.nan, True, None, "1", 10**400],
    "NUMBER_OR_NULL": [math.nan, "none", False],
    "SHARE": [-0.001, 1.001, None, True],
    "TEXT": [None, 1, "a\n", "x" * 1001, ["a"]],
    "TEXT_OR_NULL": [1, "\x00"],
    "SIGN": [0, 1, None, "true"],
    "TABLE": [[], None, "a"],
    "NUMBERS": [None, {}, (1, 2), [1, "2"], [1, None], [math.nan]],
    "TEXTS": [None, "ab", ("a",), ["a", 1]],
    "names": [[], ["a", "a"], ["a", " "], ["a", ""], ["a", 1], "ab", {"a": 1}, None],
    "shape": [[1, 1], [1, 1, 1, 1], [0, 1, 1], [1, 65536, 1], [1, 1, 2.0], (1, 1, 1), None,
              [1, -1, -1]],
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_kind_takes_what_it_should(name: str) -> None:
    kind, values = GOOD[name]
    for value in values:
        check_kept("file", {"key": value}, {"key": kind})


@pytest.mark.parametrize("name", GOOD)
def test_a_kind_refuses_the_rest_in_its_words(name: str) -> None:
    kind, _ = GOOD[name]
    for value in BAD[name]:
        with pytest.raises(RunError) as caught:
            check_kept("a/result.json", {"key": value}, {"key": kind})
        said = str(caught.value)
        assert said.startswith(f"a/result.json is damaged: key should be {kind[0]}, and is ")
        assert len(said) < 200


INNER = {"needed": kept.COUNT, "left out?": kept.COUNT}


def refused(value: Any, kinds: Any) -> str:
    with pytest.raises(RunError) as caught:
        check_kept("f", value, kinds)
    return str(caught.value)


def test_keys_that_are_needed_and_keys_that_may_be_missing() -> None:
    check_kept("f", {"needed": 1}, INNER)
    check_kept("f", {"needed": 1, "left out": 2, "another": object()}, INNER)
    assert refused({"left out": 2}, INNER) == "f is damaged: it has no 'needed'"
    assert refused({"needed": 1, "left out": "2"}, INNER) == (
        "f is damaged: left out should be a whole number from 0 up, and is '2'"
    )


def test_tables_in_tables_are_named_by_their_path() -> None:
    kinds = {"a": {"b?": INNER}}
    check_kept("f", {"a": {}}, kinds)
    check_kept("f", {"a": {"b": {"needed": 0}}}, kinds)
    assert refused({"a": {"b": {}}}, kinds) == "f is damaged: it has no 'a.b.needed'"
    assert refused({"a": {"b": []}}, kinds) == "f is damaged: a.b should be one JSON object"
    assert refused({"a": 3}, kinds) == "f is damaged: a should be one JSON object"
    assert refused([], kinds) == "f is damaged: it should be one JSON object"
    assert refused({"a": {"b": {"needed": -1}}}, kinds).startswith(
        "f is damaged: a.b.needed should be a whole number from 0 up, and is -1"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": 1, "b": 2}, "an object of 2"),
        ([1, 2, 3], "a list of 3"),
        (BIG, "a huge number"),
        (-BIG, "a huge number"),
        (10**5000, "a huge number"),
        (-(BIG - 1), str(-(BIG - 1))),
        ("x" * 38, repr("x" * 38)),
        ("x" * 39, f"'{'x' * 39}…"),
        (None, "None"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_value_is_shown_in_brief(value: Any, shown: str) -> None:
    assert refused({"k": value}, {"k": ("nothing", lambda value: False)}).endswith(
        f"should be nothing, and is {shown}"
    )
