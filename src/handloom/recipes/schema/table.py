"""What all tables share: they are strict and frozen, and each kind of value has words of its own.

pydantic checks; `said`, `one_of` and `refuse` put what was wrong in our words, which
`recipes/explain.py` turns into one sentence with the key path before it.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError


class Table(BaseModel):
    """A TOML table: every key is known, of the right type, and cannot be changed afterwards."""

    told_as: ClassVar[str] = "a recipe"
    """What an outermost table is called where it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, values: Any) -> Any:
        # Before pydantic does: only here is it known which keys this very table has to suggest.
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                known = ", ".join(cls.model_fields)
                context = {"key": key, "known": known, "told_as": cls.told_as}
                raise PydanticCustomError("unknown_key", "{key}", context)
        return values


Made = TypeVar("Made", bound=Table)


def said(allowed: str) -> WrapValidator:
    """Tell what a value has to be with the words `allowed`, whichever check it failed."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("not_allowed", "{allowed}", {"allowed": allowed}) from None

    return WrapValidator(check)


def table_of(
    kind: type, base: type[Made], tag: str, name: str, values: Mapping[str, Any]
) -> type[Made]:
    """The table of a class that a recipe calls `name` under the key `tag`.

    Its keys are those that the constructor takes and `values` says the kind of, with the
    constructor's defaults; None is a value where it is the default.
    """
    keys: dict[str, Any] = {tag: (Literal[name], ...)}
    for key, setting in inspect.signature(kind).parameters.items():
        if key in values:
            value = values[key] if setting.default is not None else values[key] | None
            keys[key] = (value, ... if setting.default is setting.empty else setting.default)
    title, module = kind.__name__.removesuffix("2d"), base.__module__
    return create_model(title, __base__=base, __module__=module, **keys)


def one_of(names: Collection[str]) -> AfterValidator:
    """Accept the names that another room keeps a table of."""

    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("not_a_choice", "{names}", {"names": ", ".join(names)})
        return name

    return AfterValidator(check)


def refuse(sentence: str) -> NoReturn:
    """Say, from a validator, how two keys of a table do not go together."""
    raise PydanticCustomError("conflict", "{sentence}", {"sentence": sentence})


Text = Annotated[str, Field(min_length=1), said("text in quotes")]
Flag = Annotated[bool, said("true or false")]
Count = Annotated[int, Field(ge=1, le=10**6), said("a whole number from 1 to 1,000,000")]
Natural = Annotated[int, Field(ge=0, le=10**6), said("a whole number from 0 to 1,000,000")]
Positive = Annotated[float, Field(gt=0), said("a number above 0")]
NotNegative = Annotated[float, Field(ge=0), said("a number from 0 up")]
Share = Annotated[float, Field(gt=0, le=1), said("a number above 0, up to 1")]
Fraction = Annotated[float, Field(ge=0, lt=1), said("a number from 0 up, below 1")]
Between = Annotated[float, Field(gt=0, lt=1), said("a number above 0 and below 1")]
Probability = Annotated[float, Field(ge=0, le=1), said("a number from 0 to 1")]

# TOML's arrays arrive as lists; a frozen table keeps tuples. What is in them stays strict.
Counts = Annotated[tuple[Count, ...], Field(strict=False, max_length=1000)]
