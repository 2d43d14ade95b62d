"""The rules, a small class an illness; every one in this folder is found by itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from handloom.diagnosis.rules.base import Rule as Rule


def all_rules() -> tuple[Rule, ...]:
    """One object of every rule in this folder's modules, in the order of their names."""
    modules = [
        importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    ]
    rules = [
        kind()
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, Rule)
        and not inspect.isabstract(kind)
        and kind.__module__ == module.__name__
    ]
    return tuple(sorted(rules, key=lambda rule: rule.name))
