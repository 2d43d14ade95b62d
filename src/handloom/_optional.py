"""Optional libraries: imported where needed, with a clear word when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from handloom.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`; raises MissingExtraError naming the pip command when it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != module.split(".")[0]:
            raise  # the library is there, but broken: that is not ours to hide
        raise MissingExtraError(
            f"{module} is not installed; it comes with: pip install 'handloom[{extra}]'"
        ) from None
