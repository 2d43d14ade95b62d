"""Domains: what they hold, in what order, and how a file that tells them wrong is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from handloom.studies.search.plan.domains import Domain, kind_of, same

ADAPTER: TypeAdapter[Any] = TypeAdapter(Domain)


def domain(**told: Any) -> Any:
    return ADAPTER.validate_python(told)


@pytest.mark.parametrize(
    ("told", "values"),
    [
        ({"choice": ["relu", [1, 2], 0.5]}, ["relu", [1, 2], 0.5]),
        ({"range": [0.1, 0.5], "step": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"range": [0.0, 1.0], "step": 0.3}, [0.0, 0.3, 0.6, 0.9]),
        ({"range": [0.0, 1.0]}, None),
        ({"log": [1e-3, 1.0]}, None),
        ({"int": [2, 9], "step": 3}, [2, 5, 8]),
        ({"int": [1, 3], "log": True}, [1, 2, 3]),
        (
            {"length": [1, 2], "each": {"choice": [8, 16]}},
            [[8], [16], [8, 8], [8, 16], [16, 8], [16, 16]],
        ),
        ({"length": [2, 2], "each": {"range": [0.0, 1.0]}}, None),
    ],
)
def test_a_domain_lists_its_values_and_contains_them(
    told: dict[str, Any], values: list[Any] | None
) -> None:
    made = domain(**told)
    assert made.values() == values
    assert all(made.contains(value) for value in [*(values or []), *made.ends()])
    assert not made.contains("something else")
    assert not made.contains(-7.5)
    assert kind_of(made) == kind_of(told) == next(iter(told))


def test_ends_are_the_outermost_values() -> None:
    assert domain(range=[0.0, 1.0]).ends() == [0.0, 1.0]
    assert domain(int=[2, 9], step=3).ends() == [2, 8]
    row = domain(length=[1, 3], each={"int": [4, 8]})
    assert sorted(row.ends()) == [[4], [4, 4, 4], [8], [8, 8, 8]]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"choice": []}, "at least one"),
        ({"choice": [1, 1.0]}, "twice"),
        ({"range": [1.0, 0.0]}, "has to be above"),
        ({"range": [1.0]}, "two numbers"),
        ({"range": [0.0, float("inf")]}, "two numbers"),
        ({"log": [0.0, 1.0]}, "above 0"),
        ({"int": [1, 2.5]}, "two whole numbers"),
        ({"int": [0, 8], "log": True}, "from 1 up"),
        ({"int": [1, 8], "log": True, "step": 2}, "and no step"),
        ({"length": [2, 1], "each": {"int": [1, 2]}}, "has to be above"),
        (
            {"length": [1, 2], "each": {"length": [1, 2], "each": {"int": [1, 2]}}},
            "each has to be a",
        ),
        ({"length": [1, 2], "each": {"int": [1, 2], "when": {"a": 1}}}, "whole list"),
        ({"values": [1, 2]}, "a domain has to be one of"),
        ({"choice": [1], "stp": 1}, "stp"),
    ],
)
def test_what_is_no_domain_is_refused(told: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        domain(**told)


def test_values_are_the_same_as_a_recipe_sees_them() -> None:
    assert same(0, 0.0)
    assert same([1, 2.0], (1.0, 2))
    assert not same(True, 1)
    assert not same([1], [1, 1])
