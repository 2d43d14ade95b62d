"""handloom import: make a run of weights that were trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.data import fetch_files
from handloom.cli.options import DataDir, JsonFlag, Overrides, QuietFlag, RecipeArgument
from handloom.cli.output import Voice, number

EXAMPLES = """\b
Examples:
  handloom import lenet.safetensors mnist-lenet --out runs/lenet
  handloom import mine.safetensors my-recipe.toml -o model.depth=34

\b
In PyTorch, write such a file with
  safetensors.torch.save_file(model.state_dict(), "mine.safetensors")
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import", epilog=EXAMPLES)(import_)


def import_(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="A .safetensors file.", show_default=False)
    ],
    recipe: RecipeArgument,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run folder to create.   [default: runs/RECIPE]"),
    ] = None,
    override: Overrides = None,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Turn weights that were trained elsewhere into a finished run.

    The recipe defines the network and the data; test, predict, show and export work on the run.
    Tensors are matched by name, or else layer by layer in order, by shape; a table shows the
    mapping. Files that could contain code, such as pickles, are not read.
    """
    from handloom.exchange import import_weights
    from handloom.recipes import load_recipe

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    said = load_recipe(recipe, override or [])
    if said.data.name is not None:
        fetch_files(said.data.name, data_dir, voice)
    run, matching = import_weights(
        weights, recipe, out, overrides=override or [], data_dir=data_dir
    )
    voice.answer(
        {
            "run": str(run.path),
            "matches": [match._asdict() for match in matching.matches],
            **run.result,
        }
    )
    voice.table(
        ("in the network", "in the file", "shape"),
        [
            (match.name, match.source, " × ".join(map(str, match.shape)))
            for match in matching.matches
        ],
    )
    if not matching.by_name:
        voice.say("\nnames differ, so tensors were matched by order and shape: check the table")
    voice.say()
    for part in ("validation", "test"):
        if part in run.result:
            told = run.result[part]
            voice.say(
                f"{part:<11} accuracy {number(told['accuracy'])}   loss {number(told['loss'])}"
            )
    voice.say(f"{'run':<11} {run.path}")
