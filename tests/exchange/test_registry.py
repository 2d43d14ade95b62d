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
        "layer network.3: Louder has no form in Latin; register one with @speak.latin(Louder)"
    )


def test_what_is_registered_last_counts() -> None:
    registry: Registry[str] = Registry("Latin", "speak.latin")
    for form in ("first", "second"):
        assert registry.register(Louder)(form) == form
    assert registry.find(Louder(), "") == "second"
