"""The forms of layers: one a kind, open to a user's own, and a clear word where there is none."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from handloom import nn
from handloom.errors import ConfigError
from handloom.exchange.onnx import WRITERS
from handloom.exchange.registry import Registry
from handloom.exchange.torch import SPELLINGS


class Louder(nn.ReLU):
    """A subclass, which may compute something else."""


def layers_of_nn() -> set[type[nn.Layer]]:
    """Every public layer, found by itself."""
    found: set[type[nn.Layer]] = set()
    for module in pkgutil.iter_modules(nn.__path__):
        for value in vars(importlib.import_module(f"{nn.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, nn.Layer):
                found.add(value)
    return {kind for kind in found - {nn.Layer} if not kind.__name__.startswith("_")}


@pytest.mark.parametrize("registry", [WRITERS, SPELLINGS], ids=["onnx", "torch"])
def test_every_layer_has_its_form(registry: Registry) -> None:
    assert len(layers_of_nn()) > 20
    assert {kind.__name__ for kind in layers_of_nn() - registry.forms.keys()} == set()


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
