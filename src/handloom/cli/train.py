"""handloom train: a recipe becomes a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.data import fetch_files
from handloom.cli.interrupts import resumable, resuming
from handloom.cli.options import (
    DataDir,
    JsonFlag,
    On,
    Overrides,
    QuietFlag,
    Workers,
    complete_recipe,
    complete_run,
)
from handloom.cli.output import Voice, number

if TYPE_CHECKING:
    from handloom.run.results import Run

EXAMPLES = """\b
Examples:
  handloom train                                the embedded digits; seconds
  handloom train fashion-mlp-256 --out runs/a   a shipped recipe
  handloom train mnist-lenet -o optimizer.lr=0.02 -o training.epochs=2
  handloom train mine.toml --seed 1 --data-dir ~/pictures
  handloom train --resume runs/a                resume after a kill
  handloom train digits --folds 5 --seeds 3 --workers 2   15 runs
  handloom train digits --json -q | jq .test.accuracy
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", epilog=EXAMPLES)(train)


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="A shipped recipe's name, or a TOML file.  [default: digits]",
            autocompletion=complete_recipe,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="RUN",
            help="The run folder, new or empty.  [default: runs/RECIPE, or the next free "
            "runs/RECIPE-2 …]",
        ),
    ] = None,
    override: Overrides = None,
    data_dir: DataDir = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Engine: loom compiles the network, torch uses PyTorch, numpy runs the "
            "layers as written; auto is torch on a GPU, otherwise loom where possible."
            "  [default: the recipe's, auto]",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Device for torch: cpu, cuda, cuda:1, mps, or auto (a GPU if there is one).",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Threads; the same number gives the same bits.  [default: all cores, or "
            "fewer if OMP_NUM_THREADS or similar is set]",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed, instead of the recipe's.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Train an ensemble of K runs per seed: each validates on a different fold of the "
            "images, which gives an out-of-fold score.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N|0,1,2",
            help="Train an ensemble with N seeds, counted from the recipe's, or with these seeds.",
        ),
    ] = None,
    workers: Workers = None,
    on: On = None,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Write TensorBoard events to RUN/tensorboard."),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Resume a run or an ensemble that was killed or stopped.",
            autocompletion=complete_run,
        ),
    ] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Train a recipe and write a run folder.

    The folder has the resolved recipe, checkpoints, one row of metrics per epoch, the result and
    figures. Errors in the recipe, data or shapes are reported before anything is written. In the
    table of epochs, an asterisk marks the best epoch so far.
    """
    from handloom.cli.ensemble import train_together
    from handloom.cli.progress import FolderWatcher, choose_progress
    from handloom.engines import joined
    from handloom.errors import ConfigError
    from handloom.recipes import load_recipe
    from handloom.run import session
    from handloom.studies.ensemble import is_ensemble

    overrides = list(override or [])
    flags = {
        "engine": engine,
        "torch.device": device,
        "training.threads": threads,
        "seed": seed,
        "training.tensorboard": "true" if tensorboard else None,
    }
    overrides += [f"{key}={value}" for key, value in flags.items() if value is not None]
    both = resume is not None and out is not None
    of_several = folds is not None or seeds is not None
    if not both and (of_several or (resume is not None and is_ensemble(resume))):
        train_together(
            Voice.choose(as_json=as_json, quiet=quiet), recipe, folds=folds, seeds=seeds,
            overrides=overrides, out=out, resume=resume, data_dir=data_dir, workers=workers, on=on,
        )  # fmt: skip
        return
    if workers is not None or on is not None:
        raise ConfigError("--workers and --on are for several runs: add --folds or --seeds")
    with joined() as processes:
        if both:
            raise ConfigError("--resume already gives the run; omit --out")
        if resume is not None and recipe is None and overrides:
            raise ConfigError("a run resumes with its own recipe; omit the changes, or --resume")
        silent = quiet or not processes.is_first
        voice = Voice.choose(as_json=as_json and processes.is_first, quiet=silent)
        place = FolderWatcher(resume or out)
        had_ended = False
        progress = None if silent else choose_progress(voice)
        callbacks = [place] if progress is None else [place, progress]
        with resumable(lambda: _how_to_go_on(place.path, data_dir), aloud=processes.is_first):
            try:
                if resume is not None:
                    had_ended = _has_ended(resume)
                    run = session.resume(
                        resume, recipe, overrides=overrides, data_dir=data_dir, callbacks=callbacks
                    )
                else:
                    said = load_recipe(recipe or "digits", overrides)
                    if said.data.name is not None:
                        with processes.in_turn():
                            fetch_files(said.data.name, data_dir, voice)
                    run = session.train(
                        recipe or "digits", overrides=overrides, run_dir=out, data_dir=data_dir,
                        callbacks=callbacks,
                    )  # fmt: skip
            finally:
                if progress is not None:
                    progress.close()
        voice.answer({"run": str(run.path), **run.result})
        if had_ended:
            voice.say(
                f"{run.path} had already finished; only its figures were drawn again. To train for "
                f"longer, start another run of its recipe: {_longer(run)}"
            )
        _tell(voice, run)


def _tell(voice: Voice, run: Run) -> None:
    """The result in a few lines."""
    result = run.result
    voice.say()
    for part in ("validation", "test"):
        if part in result:
            told = result[part]
            voice.say(
                f"{part:<11} accuracy {number(told['accuracy'])}   loss {number(told['loss'])}"
            )
    voice.say(
        f"{'best epoch':<11} {result['best_epoch']} of {result['epochs']}, "
        f"{result['parameters']:,} parameters, {result['seconds']:.1f} s"
    )
    voice.say(f"{'run':<11} {run.path}, figures in {run.folder.figures}")


def _has_ended(path: Path) -> bool:
    """Whether there is a run at `path` whose training has ended."""
    from handloom.run import RunFolder
    from handloom.run.results import Run

    folder = RunFolder(path)
    return folder.recipe.is_file() and Run(folder).is_finished


def _longer(run: Run) -> str:
    """The command that trains a run's recipe anew, for twice the epochs."""
    epochs = f"training.epochs={2 * run.recipe.training.epochs}"
    return shlex.join(["handloom", "train", str(run.folder.recipe), "-o", epochs])


def _how_to_go_on(path: Path | None, data_dir: Path | None) -> str:
    """The command that continues the run at `path`."""
    if path is None or not (path / "recipe.toml").is_file():
        return "nothing was written yet"
    return f"resume from the last finished epoch with: {resuming(path, data_dir)}"
