"""The forms of layers: open to a user's own, and a clear word where there is none.

That every layer has one is for tests/matrix.
"""

from __future__ import annotations

import pytest

from handloom import nn
from handloom._registry import Registry
from handloom.errors import ConfigError


class Louder(nn.ReLU):
    """A subclass, which may compute something else."""


def test_a_layer_without_a_form_is_refused_by_its_path() -> None:
    registry: Registry[str] = Registry("Latin", "speak.latin")
    registry.register(nn.ReLU)("rectificator")
    assert registry.find(nn.ReLU(), "network.3") == "rectificator"
    with pytest.raises(ConfigError) as refused:
        registry.find(Louder(), "network.3")
    assert str(refused.value) == (
        "layer network.3: Louder cannot be exported to Latin; register one with "
        "@speak.latin(Louder)"
    )


def test_what_is_registered_last_counts() -> None:
    registry: Registry[str] = Registry("Latin", "speak.latin")
    for form in ("first", "second"):
        assert registry.register(Louder)(form) == form
    assert registry.find(Louder(), "") == "second"


def test_one_form_may_be_that_of_several_kinds() -> None:
    registry: Registry[str] = Registry("Latin", "speak.latin")
    registry.register(nn.ReLU, nn.Tanh)("functio")
    assert (registry.form_of(nn.ReLU), registry.form_of(nn.Tanh)) == ("functio", "functio")
    assert registry.form_of(Louder) is None


def test_what_nobody_registered_may_have_a_form_otherwise() -> None:
    registry = Registry[str](
        "Latin", "speak.latin", lambda kind: "vocalis" if kind is Louder else None
    )
    assert registry.find(Louder(), "") == "vocalis"
    assert Louder not in registry
    registry.register(Louder)("clamor")
    assert registry.find(Louder(), "") == "clamor"
    with pytest.raises(ConfigError, match="Tanh cannot be exported to Latin"):
        registry.find(nn.Tanh(), "")
