"""Expressions as a formatter prints them; `ruff format` itself is the oracle in test_module.py."""

from __future__ import annotations

import pytest

from handloom.exchange.torch.code import WIDTH, Call

CONV = Call("nn.Conv2d", ("16", "32", "3", "padding=1"))
ROW = Call("nn.Sequential", (CONV, Call("nn.ReLU"), CONV, Call("nn.ReLU"), Call("nn.Flatten")))


def test_a_call_that_fits_is_one_line() -> None:
    assert str(CONV) == "nn.Conv2d(16, 32, 3, padding=1)"
    assert list(CONV.lines("    ", before="x = ")) == ["    x = nn.Conv2d(16, 32, 3, padding=1)"]


def test_a_long_call_takes_a_line_an_argument() -> None:
    nested = Call("Residual", (ROW, Call("nn.Identity")))
    assert list(nested.lines("", before="y = ", after=",")) == [
        "y = Residual(",
        "    nn.Sequential(",
        "        nn.Conv2d(16, 32, 3, padding=1),",
        "        nn.ReLU(),",
        "        nn.Conv2d(16, 32, 3, padding=1),",
        "        nn.ReLU(),",
        "        nn.Flatten(),",
        "    ),",
        "    nn.Identity(),",
        "),",
    ]


@pytest.mark.parametrize(("spare", "lines"), [(0, 1), (-1, 4)])
def test_the_last_column_is_used(spare: int, lines: int) -> None:
    call = Call("f", ("a" * 40, "b" * (WIDTH - 40 - len("f(, )") + (-spare))))
    assert len(list(call.lines(""))) == lines


def test_calls_that_have_a_name_are_called_by_it() -> None:
    inner = Call("Residual", (CONV,))
    outer = Call("nn.Sequential", (inner, Call("nn.ReLU"), inner, "text"))
    assert str(outer.short({inner: "block"})) == "nn.Sequential(block(), nn.ReLU(), block(), text)"
    assert str(inner.short({inner: "block"})) == str(inner), "a block is not made of itself"


def test_calls_come_inner_ones_first() -> None:
    assert list(Call("f", (Call("g", (Call("h"), "1")),)).calls()) == [
        Call("h"), Call("g", (Call("h"), "1")), Call("f", (Call("g", (Call("h"), "1")),))
    ]  # fmt: skip
