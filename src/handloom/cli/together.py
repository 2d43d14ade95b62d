"""handloom train --folds --seeds: one recipe becomes an ensemble of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from handloom.cli.data import fetch_files
from handloom.cli.output import Voice, number
from handloom.cli.progress import PlainProgress, choose_progress
from handloom.cli.stopping import resumable, resuming
from handloom.errors import ConfigError
from handloom.recipes import load_recipe
from handloom.studies.ensemble import is_ensemble, resume_ensemble, train_ensemble

if TYPE_CHECKING:
    from handloom.studies.ensemble import Ensemble
    from handloom.training.callbacks import Callback


def train_together(
    voice: Voice,
    recipe: str | None,
    *,
    folds: int | None,
    seeds: int | None,
    overrides: Sequence[str],
    out: Path | None,
    resume: Path | None,
    data_dir: Path | None,
) -> None:
    """Train an ensemble, or what is missing of the one at `resume`, and tell what it is worth."""
    if resume is not None and (recipe or overrides or folds or seeds):
        raise ConfigError(
            "an ensemble goes on with its own recipe, folds and seeds; leave --resume out to start "
            f"one, or all the others to go on with {resume}"
        )
    said = load_recipe(recipe or "digits", overrides)
    given = resume or out
    shown = Progresses(voice)
    with resumable(lambda: _way(given or shown.ensemble, data_dir)):
        try:
            if resume is not None:
                ensemble = resume_ensemble(resume, data_dir=data_dir, listeners=shown)
            else:
                if said.data.name is not None:
                    fetch_files(said.data.name, data_dir, voice)
                ensemble = train_ensemble(
                    recipe or "digits",
                    overrides=overrides,
                    folds=folds,
                    seeds=1 if seeds is None else seeds,
                    run_dir=out,
                    data_dir=data_dir,
                    listeners=shown,
                )
        finally:
            shown.close()
    voice.answer({"ensemble": str(ensemble.path), **ensemble.result})
    _tell(voice, ensemble)


class Progresses:
    """What a person sees of the members' trainings, one after the other."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.now: PlainProgress | None = None
        self.ensemble: Path | None = None
        """Its folder, once the first member's training begins."""

    def __call__(self, folder: Path, place: str) -> Sequence[Callback]:
        """What listens to the next member."""
        self.ensemble = folder.parent
        if self.now is not None:
            self.now.close()
            self.voice.say()
        self.now = choose_progress(self.voice, f"{folder} ({place})")
        return [] if self.now is None else [self.now]

    def close(self) -> None:
        """Give the terminal back."""
        if self.now is not None:
            self.now.close()


def _way(path: Path | None, data_dir: Path | None) -> str:
    """How the ensemble at `path` is continued."""
    if path is None or not is_ensemble(path):
        return "nothing had been written yet"
    return f"go on with: {resuming(path, data_dir)}"


def _tell(voice: Voice, ensemble: Ensemble) -> None:
    """The result in a few lines."""
    result = ensemble.result
    voice.say()
    for part, name in (("out_of_fold", "out of fold"), ("test", "test")):
        if part in result:
            told = result[part]
            voice.say(
                f"{name:<11} accuracy {number(told['accuracy'])}   log loss {number(told['loss'])}"
            )
    alone, count = result["validation"], len(result["seeds"])
    seeds = f"{count} seed{'s' if count > 1 else ''}"
    of = f"{result['folds']} folds × {seeds}" if result["folds"] else seeds
    voice.say(
        f"{'one alone':<11} accuracy {number(alone['accuracy'])} ± {number(alone['spread'])} "
        "on its own validation part"
    )
    voice.say(
        f"{'members':<11} {result['members']} ({of}), {result['parameters']:,} parameters, "
        f"{result['seconds']:.1f} s"
    )
    voice.say(f"{'ensemble':<11} {ensemble.path}")
