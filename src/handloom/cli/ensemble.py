"""handloom train --folds --seeds: one recipe becomes an ensemble of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from handloom.cli.data import fetch_files
from handloom.cli.interrupts import resumable, resuming
from handloom.cli.output import Voice, number
from handloom.cli.series import shown
from handloom.errors import ConfigError
from handloom.recipes import load_recipe
from handloom.series import Listener, check_on, parse_seeds
from handloom.studies.ensemble import is_ensemble, resume_ensemble, train_ensemble

if TYPE_CHECKING:
    from handloom.run.results import Run
    from handloom.series import Member, Progress
    from handloom.studies.ensemble import Ensemble


def train_together(
    voice: Voice,
    recipe: str | None,
    *,
    folds: int | None,
    seeds: str | None,
    overrides: Sequence[str],
    out: Path | None,
    resume: Path | None,
    data_dir: Path | None,
    workers: int | None,
    on: str | None,
) -> None:
    """Train an ensemble, or what is missing of the one at `resume`, and show its result."""
    if resume is not None and (recipe or overrides or folds or seeds):
        raise ConfigError(
            "an ensemble resumes with its own recipe, folds and seeds; omit --resume to start "
            f"one, or omit the others to resume {resume}"
        )
    base = load_recipe(recipe or "digits", overrides)
    chosen = parse_seeds(seeds, base.seed) if seeds is not None else (base.seed,)
    check_on(on)
    with shown(voice) as listener:
        place = FolderWatcher(resume or out, listener)
        with resumable(lambda: _way(place.path, data_dir, workers, on)):
            if resume is not None:
                ensemble = resume_ensemble(
                    resume, data_dir=data_dir, workers=workers, on=on, listener=place
                )
            else:
                if base.data.name is not None:
                    fetch_files(base.data.name, data_dir, voice)
                ensemble = train_ensemble(
                    recipe or "digits",
                    overrides=overrides,
                    folds=folds,
                    seeds=chosen,
                    run_dir=out,
                    data_dir=data_dir,
                    workers=workers,
                    on=on,
                    listener=place,
                )
    voice.answer({"ensemble": str(ensemble.path), **ensemble.result})
    _tell(voice, ensemble)


class FolderWatcher(Listener):
    """Passes everything on, and notes the ensemble's folder once it has one."""

    def __init__(self, path: Path | None, listener: Listener | None) -> None:
        self.path = path
        self.listener = listener or Listener()

    def on_start(self, members: Sequence[Member], finished: int) -> None:
        """Note the folder."""
        self.path = members[0].root
        self.listener.on_start(members, finished)

    def on_begin(self, member: Member) -> None:
        """Pass it on."""
        self.listener.on_begin(member)

    def on_progress(self, member: Member, progress: Progress) -> None:
        """Pass it on."""
        self.listener.on_progress(member, progress)

    def on_end(self, member: Member, run: Run) -> None:
        """Pass it on."""
        self.listener.on_end(member, run)


def _way(path: Path | None, data_dir: Path | None, workers: int | None, on: str | None) -> str:
    """How the ensemble at `path` is resumed."""
    if path is None or not is_ensemble(path):
        return "nothing was written yet"
    return f"resume with: {resuming(path, data_dir, workers=workers, on=on)}"


def _tell(voice: Voice, ensemble: Ensemble) -> None:
    """The result in a few lines."""
    result = ensemble.result
    voice.say()
    for part, name in (("out_of_fold", "out-of-fold"), ("test", "test")):
        if part in result:
            told = result[part]
            voice.say(
                f"{name:<11} accuracy {number(told['accuracy'])}   log loss {number(told['loss'])}"
            )
    alone, count = result["validation"], len(result["seeds"])
    seeds = f"{count} seed{'s' if count > 1 else ''}"
    of = f"{result['folds']} folds × {seeds}" if result["folds"] else seeds
    voice.say(
        f"{'one member':<11} accuracy {number(alone['accuracy'])} ± {number(alone['spread'])} "
        "on its own validation split"
    )
    voice.say(
        f"{'members':<11} {result['members']} ({of}), {result['parameters']:,} parameters, "
        f"{result['seconds']:.1f} s"
    )
    voice.say(f"{'ensemble':<11} {ensemble.path}")
