"""handloom train: a recipe becomes a run."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.output import JsonFlag, QuietFlag, Voice
from handloom.cli.recipes import complete_recipe

if TYPE_CHECKING:
    from handloom.cli.progress import PlainProgress
    from handloom.results import Run

EXAMPLES = """
[bold]Examples[/bold]

  handloom train                                      the embedded digits: seconds, no network

  handloom train fashion-mlp-256 --out runs/a         a shipped recipe; see: handloom recipes list

  handloom train mnist-lenet -o optimizer.lr=0.02 -o training.epochs=2

  handloom train my-recipe.toml --data-dir ~/pictures --seed 1

  handloom train --resume runs/a                      go on after a kill, to the same bits
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", epilog=EXAMPLES)(train)


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A shipped recipe's name or a TOML file; digits if nothing is said.",
            autocompletion=complete_recipe,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run folder; runs/RECIPE if nothing is said.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", "-o", metavar="KEY=VALUE", help="Change one key of the recipe."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of data sets; before HANDLOOM_DATA, the cache and the mirrors."),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="auto or numpy.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads; all usable cores if not said.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the recipe's.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="Go on with a run that was killed or stopped."
        ),
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train a recipe; leaves a run folder with checkpoints, metrics, result and pictures."""
    from handloom import session
    from handloom.errors import ConfigError

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    overrides = list(override or [])
    flags = {"engine": engine, "training.threads": threads, "seed": seed}
    overrides += [f"{key}={value}" for key, value in flags.items() if value is not None]
    if resume is not None and out is not None:
        raise ConfigError("--resume names the run already; leave --out out")
    if resume is not None and recipe is None and overrides:
        raise ConfigError("a run goes on with its own recipe; leave the changes out, or --resume")
    path = resume or out or session.free_folder(recipe or "digits")
    progress = _progress(voice)
    callbacks = [] if progress is None else [progress]
    signal.signal(signal.SIGTERM, _terminate)
    try:
        if resume is not None:
            run = session.resume(
                path, recipe, overrides=overrides, data_dir=data_dir, callbacks=callbacks
            )
        else:
            run = session.train(
                recipe or "digits",
                overrides=overrides,
                run_dir=path,
                data_dir=data_dir,
                callbacks=callbacks,
            )
    except KeyboardInterrupt as stop:
        sys.stderr.write(
            "handloom: stopped; go on from the last finished epoch with: "
            f"handloom train --resume {path}\n"
        )
        raise typer.Exit(143 if isinstance(stop, _Terminated) else 130) from None
    finally:
        if progress is not None:
            progress.close()
    voice.answer({"run": str(run.path), **run.result})
    _tell(voice, run)


def _tell(voice: Voice, run: Run) -> None:
    result = run.result
    voice.say()
    for part in ("validation", "test"):
        if part in result:
            figures = result[part]
            voice.say(f"{part:<11} accuracy {figures['accuracy']:.4f}   loss {figures['loss']:.4f}")
    voice.say(
        f"{'best epoch':<11} {result['best_epoch']} of {result['epochs']}, "
        f"{result['parameters']:,} parameters, {result['seconds']:.1f} s"
    )
    voice.say(f"{'run':<11} {run.path}   pictures in {run.folder.figures}")


def _progress(voice: Voice) -> PlainProgress | None:
    from handloom.cli.output import console
    from handloom.cli.progress import LiveProgress, PlainProgress

    if voice is not Voice.PERSON:
        return None
    screen = console()
    return LiveProgress(screen) if screen.is_terminal else PlainProgress(screen)


class _Terminated(KeyboardInterrupt):
    """A termination signal, which ends the training as tidily as Ctrl-C."""


def _terminate(number: int, frame: object) -> None:  # noqa: ARG001
    raise _Terminated
