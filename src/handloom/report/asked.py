"""Setup and reproduction: recipe, network, environment, command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from handloom.models import LayerLine, summarise
from handloom.recipes import to_toml
from handloom.recipes.explain import shown
from handloom.report.blocks import Block, Code, Table, Terms
from handloom.run import assemble
from handloom.run.results import Run

TABLES = {
    "model": "Network",
    "loss": "Loss",
    "optimizer": "Optimizer",
    "schedule": "Learning rate",
    "augment": "Augmentation",
    "training": "Training",
}
SHORT_DIGEST = 16
"""Digits of a sha256 that are shown: enough to distinguish two."""


def asked_terms(run: Run, *, differing: Collection[str] = ()) -> Terms:
    """Data, network, optimizer and so on, one line each; values left at their default are omitted.

    So are the key paths in `differing`, and everything below them: they differ between the runs.
    """
    recipe = run.recipe
    told = recipe.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    told = _without(told, set(differing))
    pairs = []
    if not any(path.split(".")[0] == "data" for path in differing):
        pairs.append(("Data", _data(run)))
    pairs += [(name, phrase(told[key])) for key, name in TABLES.items() if told.get(key)]
    for key, name in (("seed", "Seed"), ("engine", "Engine")):
        if key not in differing:
            pairs.append((name, str(getattr(recipe, key))))
    return Terms(tuple(pairs))


def _without(table: Mapping[str, Any], paths: Collection[str], within: str = "") -> dict[str, Any]:
    """A table of a recipe without the values at some key paths."""
    kept = {}
    for key, value in table.items():
        path = f"{within}{key}"
        if path not in paths:
            inside = isinstance(value, Mapping)
            kept[key] = _without(value, paths, f"{path}.") if inside else value
    return kept


def phrase(table: Mapping[str, Any]) -> str:
    """A table of a recipe as words: 'nesterov, lr 0.05, weight decay 0.0001'."""
    title = next((key for key in ("name", "layer", "kind") if key in table), "")
    rest = (f"{_words(key)} {_value(value)}" for key, value in table.items() if key != title)
    return ", ".join([str(table[title]), *rest] if title else rest)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    words = words_of(value)
    return f"({words})" if _are_tables(value) else words


def _are_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


MOST_TABLES = 12
"""Of a list of tables, as the layers of a network, that are written out."""


def words_of(value: Any) -> str:
    """A value of a recipe in words; of a list of tables each one: 'linear, units 32; relu'."""
    if _are_tables(value):
        shown_ones = "; ".join(phrase(each) for each in value[:MOST_TABLES])
        rest = len(value) - MOST_TABLES
        return f"{shown_ones}; and {rest} more" if rest > 0 else shown_ones
    return phrase(value) if isinstance(value, Mapping) else shown(value).strip('"')


def _data(run: Run) -> str:
    kept, source = run.data, run.recipe.data
    pictures, size = kept["pictures"], " × ".join(map(str, kept["image_shape"]))
    name = source.name or source.folder or source.idx or source.images or "custom images"
    test = f"{pictures['test']:,} for testing" if pictures["test"] else "no test split"
    return (
        f"{name}: {pictures['train']:,} images for training, {pictures['validation']:,} for "
        f"validation, {test}; {size}, {len(kept['class_names'])} classes"
    )


def network_table(run: Run) -> Table:
    """The network, one row per layer, and the totals."""
    model = assemble.build_model(run.recipe, run.image_shape, len(run.class_names))
    whole = summarise(model, run.image_shape)
    rows = [_layer_row(line) for line in _leaves(whole)]
    rows.append(("total", "", "", f"{whole.parameters:,}", f"{whole.multiply_adds:,}"))
    columns = ("path", "layer", "output", "parameters", "multiply-adds")
    return Table("The network, layer by layer", columns, tuple(rows), folded=len(rows) > 24)


def _leaves(line: LayerLine) -> Iterator[LayerLine]:
    if not line.inside:
        yield line
    for inside in line.inside:
        yield from _leaves(inside)


def _layer_row(line: LayerLine) -> tuple[str, ...]:
    output = " × ".join(map(str, line.output))
    figures = (f"{line.parameters:,}", f"{line.multiply_adds:,}") if line.parameters else ("–", "–")
    return (line.path, line.title, output, *figures)


def recipe_code(run: Run) -> Code:
    """The resolved recipe, to be read, copied or saved."""
    return Code("The recipe, with every default written out", to_toml(run.recipe), _file(run), True)


def repeat_blocks(run: Run) -> tuple[Block, ...]:
    """The command that trains the run again, or imports it, and what its bits depend on."""
    kept = run.folder.environment
    environment = run.folder.read_json(kept) if kept.is_file() else {}
    trained = Code(f"Save the recipe as {_file(run)}, then run", repeat_command(run))
    imported = Code("Imported with", shlex.join(map(str, environment.get("command", ()))))
    return (
        trained if run.history.epochs else imported,
        recipe_code(run),
        Terms(tuple(_surroundings(run, environment))),
    )


def repeat_command(run: Run) -> str:
    """The command that trains it again, from the recipe on the page."""
    return f"handloom train {_file(run)} --out runs/{file_stem(_name(run))}-again"


def file_stem(name: str) -> str:
    """A name with only characters that are safe in a file name and in a shell."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-.") or "run"


def _name(run: Run) -> str:
    """The folder's name; for a seed-0 inside a folder, both names."""
    path = run.path.absolute()
    is_one_of_several = re.fullmatch(r"seed-\d+", path.name)
    return f"{path.parent.name}-{path.name}" if is_one_of_several else path.name


def _file(run: Run) -> str:
    return f"{file_stem(_name(run))}.toml"


def _surroundings(run: Run, environment: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Machine, versions and fingerprints; what an older run did not record is omitted."""
    get = environment.get
    if get("command"):
        yield "Command", shlex.join(map(str, environment["command"]))
    if get("processor"):
        yield (
            "Processor",
            f"{get('processor')}, {get('cores')} cores, {get('threads')} used",
        )
    if get("engine"):
        yield "Engine", "; ".join(environment["engine"])
    if get("system"):
        yield "System", f"{get('system')}, Python {get('python')}"
    if packages := get("packages"):
        numbered = (f"{name} {number}" for name, number in packages.items() if number)
        yield "Versions", ", ".join([f"handloom {get('handloom')}", *numbered])
    fingerprints = run.data["fingerprints"].items()
    parts = (f"{part} {digest[:SHORT_DIGEST]}…" for part, digest in fingerprints if digest)
    yield "Data (sha256)", ", ".join(parts)
