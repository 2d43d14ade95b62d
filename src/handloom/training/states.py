"""The states of a training's callbacks: each under a name that says whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from handloom.errors import CheckpointError
from handloom.training.callbacks.base import Callback

OWN = "handloom."


def named(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """The callbacks that keep a state, by class and place.

    The first of a class is named as the class is, the second "EarlyStop 2", and so on: callbacks of
    other classes, such as a listener that only prints, may come and go. A class that is not one of
    Handloom's is named with its module, since another module may have one of the same name.
    """
    seen: Counter[str] = Counter()
    found: dict[str, Callback] = {}
    for callback in callbacks:
        kind = type(callback)
        if kind.state is Callback.state:
            continue
        own = kind.__module__.startswith(OWN)
        name = kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} {seen[name]}"] = callback
    return found


def collected(callbacks: Sequence[Callback]) -> dict[str, dict[str, Any]]:
    """What the callbacks have to remember, JSON-ready, by their names."""
    return {name: callback.state() for name, callback in named(callbacks).items()}


def hand_back(states: dict[str, dict[str, Any]], callbacks: Sequence[Callback]) -> None:
    """Give every callback its state.

    Raises CheckpointError where a state has no callback, or a callback that remembers something no
    state: the training would become another one. An empty state is as good as none.
    """
    given = named(callbacks)
    if states.keys() != given.keys():
        states = _by_full_name(states, given)
    lost = sorted(name for name, state in states.items() if state and name not in given)
    fresh = sorted(name for name, each in given.items() if name not in states and each.state())
    if lost or fresh:
        differences = [f"it has the state of {name}, which is not among them" for name in lost]
        differences += [f"it has no state of {name}, which is" for name in fresh]
        raise _other_callbacks("; ".join(differences))
    for name, callback in given.items():
        if state := states.get(name):
            callback.load_state(state)


def _by_full_name(
    states: dict[str, dict[str, Any]], given: dict[str, Callback]
) -> dict[str, dict[str, Any]]:
    """The states by today's names: version 0.1.0 wrote bare classes, each once."""
    namesakes: dict[str, list[str]] = {}
    for name, callback in given.items():
        namesakes.setdefault(type(callback).__name__, []).append(name)
    found: dict[str, dict[str, Any]] = {}
    for name, state in states.items():
        full = namesakes.get(name, [name])
        if len(full) == 1:
            found[full[0]] = state
        elif any(each in states for each in full if each != name):
            found[name] = state
        else:
            raise _other_callbacks(f"it has one state of {name} for {len(full)} of that name")
    return found


def _other_callbacks(difference: str) -> CheckpointError:
    return CheckpointError(
        f"the callbacks are not those of the checkpoint: {difference}; resume with the callbacks "
        "that the training was started with, in the same order"
    )
