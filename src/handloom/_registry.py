"""Registry: what each kind of layer, optimizer or loss is in another form, open to a user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from handloom.errors import ConfigError

Form = TypeVar("Form")


class Registry(dict[Any, Form], Generic[Form]):
    """The form of each kind. A subclass is a kind of its own: it may compute otherwise.

    `target` names what has these forms, `decorator` the function that registers one. `otherwise`
    may find the form of a kind that nobody registered.
    """

    def __init__(
        self,
        target: str,
        decorator: str,
        otherwise: Callable[[Any], Form | None] | None = None,
    ) -> None:
        super().__init__()
        self.target = target
        self.decorator = decorator
        self.otherwise = otherwise

    def register(self, *kinds: Any) -> Callable[[Form], Form]:
        """A decorator that makes what it decorates the form of `kinds`; the last one counts."""

        def add(form: Form) -> Form:
            self.update(dict.fromkeys(kinds, form))
            return form

        return add

    def form_of(self, kind: Any) -> Form | None:
        """The form of a kind; None where there is none."""
        if kind in self:
            return self[kind]
        return None if self.otherwise is None else self.otherwise(kind)

    def find(self, layer: object, path: str) -> Form:
        """The form of the layer at `path`; raises ConfigError, which names how to register one."""
        form = self.form_of(type(layer))
        if form is None:
            kind = type(layer).__name__
            raise ConfigError(
                f"layer {path}: {kind} cannot be exported to {self.target}; "
                f"register one with @{self.decorator}({kind})"
            )
        return form
