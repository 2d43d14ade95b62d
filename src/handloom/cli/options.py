"""Arguments and options that several commands share, and what the shell may offer for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def complete_recipe(incomplete: str) -> list[str]:
    """Names of shipped recipes."""
    from handloom.recipes import list_recipes

    return [name for name in list_recipes() if name.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Run folders: those in runs/, and those in the folder that is being typed."""
    typed = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    found = {
        str(path.parent)
        for folder in ("runs", typed)
        for pattern in (RECIPES, ENSEMBLES)
        for path in Path(folder).glob(pattern)
    }
    return sorted(path for path in found if path.startswith(incomplete))


def complete_set(incomplete: str) -> list[str]:
    """Names of known data sets."""
    from handloom.data import describe_sets

    return [known.name for known in describe_sets() if known.name.startswith(incomplete)]


RECIPES, ENSEMBLES = "*/recipe.toml", "*/ensemble.json"

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=complete_run)
]
RunsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN...",
        help="A run folder, several, or an ensemble's; several are combined by the mean of their "
        "probabilities.",
        autocompletion=complete_run,
    ),
]
RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A shipped recipe's name, or a TOML file.",
        autocompletion=complete_recipe,
    ),
]
SetArgument = Annotated[
    str, typer.Argument(metavar="SET", help="A known data set.", autocompletion=complete_set)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override", "-o", metavar="KEY=VALUE", help="Change one key of the recipe; repeatable."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the data are: known sets in folders of their names, before HANDLOOM_DATA and "
        "the cache; your own files by name, instead of the recipe's locations.",
    ),
]
Tta = Annotated[
    str,
    typer.Option(
        "--tta",
        metavar="VARIANTS",
        help="Test-time augmentation: average over images mirrored (flip), shifted by a pixel "
        "(shift), or both (flip,shift).",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Number of processes that train at the same time, sharing the cores.  [default: 1]",
        show_default=False,
    ),
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ray[=ADDRESS]",
        help="Distribute the runs with Ray: on the cluster at that address, on the one that this "
        "machine belongs to, or on this machine alone.",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]


def listed(told: str) -> tuple[str, ...]:
    """What an option tells as a,b,c."""
    return tuple(word.strip() for word in told.split(",") if word.strip())
