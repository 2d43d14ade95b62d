"""A key of a recipe, what it is set to, and where in what is built from it that has to be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, get_args

from handloom import nn, optim
from handloom.engines import NumpyEngine
from handloom.recipes import Recipe, load_recipe
from handloom.recipes.schema.table import Table
from handloom.run import assemble, session
from handloom.run.results import Run
from handloom.training import History, Trainer


class Built:
    """All that comes of bars.toml with some keys changed, each object made when it is asked for."""

    def __init__(self, bars: Path, changes: dict[str, Any]) -> None:
        self.changes = {
            key: str(bars.parent / value[1:]) if _is_file(value) else value
            for key, value in changes.items()
        }
        self.bars = bars

    @cached_property
    def recipe(self) -> Recipe:
        return load_recipe(self.bars, self.changes)

    @cached_property
    def parts(self) -> assemble.Parts:
        return assemble.load_parts(self.recipe)

    @cached_property
    def engine(self) -> Any:
        return self.trainer.engine

    @cached_property
    def trainer(self) -> Trainer:
        """Everything a training consists of."""
        choice = assemble.build_engine(self.recipe, self.parts)
        history = History(self.bars.parent / "metrics.jsonl")
        return assemble.build_trainer(
            self.recipe, self.parts, choice, callbacks=[], history=history
        )

    @cached_property
    def model(self) -> nn.Sequential:
        """The network alone, for images of bars.toml's size or of [1, 28, 28]."""
        shape = (1, 28, 28) if self.recipe.model.name not in ("mlp", "sequential") else (1, 6, 6)
        return assemble.build_model(self.recipe, shape, 3)

    @property
    def optimizer(self) -> optim.Optimizer:
        assert isinstance(self.engine, NumpyEngine)
        return self.engine.optimizer

    @cached_property
    def schedule(self) -> optim.Schedule:
        """With ten steps an epoch."""
        return assemble.build_schedule(self.recipe, 10)

    @cached_property
    def run(self) -> Run:
        """What `handloom train` leaves, but for its images."""
        folder = mkdtemp(dir=self.bars.parent)
        return session.train(self.recipe, run_dir=folder, pictures=False)

    def layers(self, *kinds: type[nn.Layer]) -> list[Any]:
        """The network's layers of some kinds, wherever they are."""
        return [layer for _, layer in self.model.named_layers() if isinstance(layer, kinds)]


Look = Callable[[Built], Any]


@dataclass(frozen=True)
class Key:
    """`value` under `path`, beside the changes `beside`, has to be seen as `expected`.

    Without the key, but with `beside`, something else has to be seen. `look` says where.
    """

    path: str
    value: Any
    look: Look
    expected: Any
    beside: dict[str, Any] = field(default_factory=dict)


def same(path: str, value: Any, look: Look, **beside: Any) -> Key:
    """A key whose value itself is seen; keys in `beside` have __ for a dot."""
    given = {key.replace("__", "."): other for key, other in beside.items()}
    return Key(path, value, look, value, given)


def _is_file(value: Any) -> bool:
    """@name is a file beside bars.toml."""
    return isinstance(value, str) and value.startswith("@")


def tables(annotation: Any) -> Iterator[type[Table]]:
    """The tables that can stand where a field has this annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for inner in get_args(annotation):
        yield from tables(inner)


def schema(table: type[Table], known: set[type[Table]]) -> Iterator[str]:
    """module.Table.key of a table and of all within it."""
    if table in known:
        return
    known.add(table)
    for name, told in table.model_fields.items():
        yield f"{table.__module__.rpartition('.')[2]}.{table.__name__}.{name}"
        for inner in tables(told.annotation):
            yield from schema(inner, known)
