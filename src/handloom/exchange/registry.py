"""Registry: what another tool's form of each kind of layer is, open to layers of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from handloom import nn
from handloom.errors import ConfigError

Form = TypeVar("Form")


class Registry(Generic[Form]):
    """The form of each kind of layer. A subclass is a kind of its own: it may compute otherwise.

    `target` is what the other tool is called, `decorator` the path of the function that registers.
    """

    def __init__(self, target: str, decorator: str) -> None:
        self.target = target
        self.decorator = decorator
        self.forms: dict[type[nn.Layer], Form] = {}

    def register(self, kind: type[nn.Layer]) -> Callable[[Form], Form]:
        """A decorator that makes what it decorates the form of `kind`; the last one counts."""

        def add(form: Form) -> Form:
            self.forms[kind] = form
            return form

        return add

    def find(self, layer: nn.Layer, path: str) -> Form:
        """The form of the layer at `path`; raises ConfigError, telling how to register one."""
        kind = type(layer)
        if kind not in self.forms:
            raise ConfigError(
                f"layer {path}: {kind.__name__} has no form in {self.target}; "
                f"register one with @{self.decorator}({kind.__name__})"
            )
        return self.forms[kind]
