"""Training from start to end: a recipe becomes a run folder, and a killed run becomes whole."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from handloom._files import remove, sweep
from handloom._kept import EPOCH_OF_WEIGHTS, check_kept
from handloom.engines import Engine, Processes, available_cores, check_threads, joined, limited_to
from handloom.errors import (
    CheckpointError,
    DivergenceError,
    InUseError,
    PictureWarning,
    RunError,
    StateError,
)
from handloom.recipes import Recipe, load_recipe, to_toml
from handloom.recipes.flat import differences
from handloom.run import RunFolder, RunLock, assemble, counting, describe_environment, new_run
from handloom.run.pictures import draw as draw  # report and show draw again
from handloom.run.results import Run, check_same_data, known_sets, located
from handloom.training import Checkpoint, History, load_checkpoint
from handloom.training.callbacks import BestWeights, Callback, Checkpoints, Training


def train(
    recipe: str | Path | Recipe = "digits",
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    run_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    pictures: bool = True,
) -> Run:
    """Train a recipe (a shipped name, a path, or a Recipe) and leave a run folder.

    `overrides` as in `{"training.epochs": 5}`. The folder is runs/<recipe>, or the next free name,
    unless `run_dir` says otherwise; `pictures` are drawn into it. Whatever is wrong about recipe,
    data and shapes is said before anything is written. Under torchrun all processes train it
    together, and each gets the Run when the first one has written it; callbacks listen in each.
    """
    with joined() as processes:
        pinned = _agreed(processes, lambda: _pinned(load_recipe(recipe, overrides), processes))
        session = _Session(pinned, data_dir, callbacks, processes, pictures)
        return session.start(lambda: new_run(recipe, run_dir))


def resume(
    run_dir: str | Path,
    recipe: str | Path | Recipe | None = None,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    data_dir: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    pictures: bool = True,
) -> Run:
    """Go on with a training that was killed or stopped, to the same bits as if it had not been.

    A `recipe` that is given has to be the run's own; where the kill came before the folder held
    one, the training starts with it. A finished run gets its figures again. Another number
    of processes goes on as well, to the same curve but for rounding. Raises RunError where the
    recipes or the data differ.
    """
    folder = RunFolder(Path(run_dir))

    def own(processes: Processes) -> Recipe:
        given = None if recipe is None else load_recipe(recipe, overrides)
        return _recipe_to_go_on(folder, given, processes)

    begun = folder.recipe.is_file()
    with joined() as processes:
        agreed = _agreed(processes, lambda: own(processes))
        session = _Session(agreed, data_dir, callbacks, processes, pictures, folder)
        return session.go_on(folder, begun=begun)


def _recipe_to_go_on(folder: RunFolder, given: Recipe | None, processes: Processes) -> Recipe:
    """The run's own recipe, or the given one where the folder holds none yet."""
    if not folder.recipe.is_file():
        if given is None:
            raise RunError(
                f"{folder.path} is not a run folder: it has no {folder.recipe.name}; "
                "to start one there, give its recipe as well"
            )
        if foreign := folder.foreign_entry():
            where = f"{folder.path} is not a run folder: it contains {foreign}"
            raise RunError(f"{where}; start a run with --out")
        return _pinned(given, processes)
    own = Run(folder).recipe
    if given is not None and (differing := differences(_pinned(given, processes, own), own)):
        raise RunError(
            f"{folder.path} was started with another recipe: {', '.join(differing)} differ; "
            "omit the recipe to resume with the run's own"
        )
    return own if given is None else own.model_copy(update={"data": given.data})


class _Session:
    """One process's work on one run: build, lock, train, evaluate.

    Building comes first, so that nothing is written before everything fits. Of several processes
    all build and train, and the first one alone locks, writes, evaluates and draws.
    """

    def __init__(
        self,
        recipe: Recipe,
        data_dir: str | Path | None,
        callbacks: Sequence[Callback],
        processes: Processes,
        pictures: bool,
        begun: RunFolder | None = None,
    ) -> None:
        self.callbacks = callbacks
        self.processes = processes
        self.pictures = pictures
        with processes.in_turn():  # what the first of a machine downloads, its others find
            self.located = located(recipe, data_dir, begun)
            self.parts = assemble.load_parts(self.located, known_sets(self.located, data_dir))
        assemble.check_callbacks(recipe)
        assemble.check_memory(recipe, self.parts)
        self.choice = assemble.build_engine(recipe, self.parts, processes)
        # The run keeps the engine that was chosen: another one would not go on to the same bits.
        self.recipe = recipe.model_copy(update={"engine": self.choice.engine.name})

    def start(self, new: Callable[[], RunFolder]) -> Run:
        """Train in a new folder."""
        folder = RunFolder(Path(self.processes.from_first(lambda: str(new().path))))
        with self._lock(folder):
            if self.processes.is_first:
                folder.check_empty()  # once more: somebody may have had the lock before us
            return self._train(folder, None)

    def go_on(self, folder: RunFolder, *, begun: bool) -> Run:
        """Continue from the last checkpoint, or from the start where none was written yet."""
        if not folder.path.is_dir():
            raise RunError(f"{folder.path} does not exist; omit --resume to start it")
        with self._lock(folder):
            if self.processes.is_first:
                if folder.recipe.is_file() and not begun:
                    raise InUseError(f"{folder.path} has just been started by another process")
                folder.check_links()
                sweep(folder.path)
            last = folder.checkpoint("last")
            found = self.processes.from_first(lambda: last.name if last.is_file() else "")
            return self._train(folder, load_checkpoint(last) if found else None)

    def _lock(self, folder: RunFolder) -> AbstractContextManager[object]:
        return RunLock(folder.path) if self.processes.is_first else nullcontext()

    def _train(self, folder: RunFolder, checkpoint: Checkpoint | None) -> Run:
        threads = assemble.count_threads(self.recipe)
        if checkpoint is None and self.processes.is_first:
            environment = describe_environment(threads=threads, engine=self.choice.notes)
            folder.write_json(folder.environment, environment)
            paths = {"paths": assemble.relative_paths(self.located, folder.path)}
            folder.write_json(folder.data, self.parts.describe() | paths)
            recipe = self.recipe.model_copy(update={"data": self.located.data})
            folder.write_recipe(to_toml(recipe))
            folder.check_links()
        if checkpoint is not None or self.processes.size > 1:
            kept = self.processes.from_first(lambda: json.dumps(Run(folder).data))
            check_same_data(folder, json.loads(kept), self.parts, self.located)
        if self.processes.is_first:
            remove(folder.diverged)  # it is about to be seen whether it does again
        if checkpoint is not None:
            try:
                self.choice.engine.load_state_dict(checkpoint.tensors)
            except StateError as error:
                last = folder.checkpoint("last")
                raise CheckpointError(f"{last} belongs to another network: {error}") from None
        run = Run(folder)
        ended = self.processes.from_first(lambda: "yes" if run.is_finished else "") == "yes"
        _ = run.history  # RunError where it is damaged, also of a run that had ended
        with limited_to(threads):
            if not ended:
                engine = self._fit(folder, checkpoint)
                if self.processes.is_first:
                    self._write_result(run, engine)
            if self.processes.is_first and self.pictures:
                draw_or_warn(run, self.parts)
        self.processes.from_first(str)  # the others wait until everything is written
        return run

    def _fit(self, folder: RunFolder, checkpoint: Checkpoint | None) -> Engine:
        """Train to the end; returns the engine that did it."""
        history = History.read(folder.metrics)
        if not self.processes.is_first:
            history = History(rows=history.rows)
        if checkpoint is None:
            history.keep_until(0)
        settings = self.recipe.training
        writes = self.processes.is_first
        keeping: list[Callback] = [
            AgreedStop(self.processes),
            BestWeights(folder.checkpoints if writes else None),
        ]
        if writes:
            keeping.append(Checkpoints(folder.checkpoints, settings.checkpoints))
        trainer = assemble.build_trainer(
            self.recipe,
            self.parts,
            self.choice,
            callbacks=[*self.callbacks, *keeping],
            history=history,
        )
        try:
            trainer.fit(resume_from=None if checkpoint is None else checkpoint.state)
        except CheckpointError as error:
            raise CheckpointError(f"{folder.checkpoint('last')}: {error}") from None
        except DivergenceError as error:
            if self.processes.is_first:
                folder.write_json(
                    folder.diverged,
                    {"epoch": trainer.epoch + 1, "step": trainer.step + 1, "why": str(error)},
                )
            best = folder.checkpoint("best")
            kept = (
                f"the best weights so far are in {best}"
                if best.is_file()
                else "no weights were saved, since no epoch had finished"
            )
            raise DivergenceError(f"{error}; {kept}") from None
        return trainer.engine

    def _write_result(self, run: Run, engine: Engine) -> None:
        """Evaluate the best weights on validation and, once, on the test split."""
        rows = run.history.epochs
        best = load_checkpoint(path := run.folder.checkpoint("best")).state
        check_kept(path, best, EPOCH_OF_WEIGHTS)
        result: dict[str, Any] = {"validation": run.evaluate(self.parts.validation).describe()}
        if self.parts.test is not None:
            result["test"] = run.evaluate(self.parts.test).describe()
        result |= {
            "best_epoch": best["epoch"],
            "epochs": len(rows),
            "seconds": round(sum(row["seconds"] for row in rows), 3),
            "parameters": run.model.num_parameters(),
            "engine": engine.name,
            "seed": self.recipe.seed,
        }
        with counting(run.path):
            if "test" in result:
                result["test"]["evaluations"] = run.looks + 1
            run.folder.write_json(run.folder.result, result)


class AgreedStop(Callback):
    """Whether to stop is for the first process to say: one that went on alone would wait for ever.

    A user's callback may ask for it by the clock, or by anything else that processes see apart.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes

    def on_epoch_end(self, training: Training) -> None:
        """Take over what the first one asks for."""
        training.stop_reason = self.processes.from_first(lambda: training.stop_reason or "") or None


def draw_or_warn(run: Run, parts: assemble.Parts) -> None:
    """Draw a run's figures. The result stands whatever fails here; a warning says what did."""
    try:
        draw(run, parts)
    except Exception as error:
        again = f"try again with: handloom show {run.path}"
        words = str(error) or type(error).__name__
        warnings.warn(f"{words}; {again}", PictureWarning, stacklevel=2)


def _agreed(processes: Processes, make: Callable[[], Recipe]) -> Recipe:
    """The recipe that the first process makes, so that all train the same one."""
    if processes.size == 1:
        return make()
    return Recipe.model_validate_json(processes.from_first(lambda: make().model_dump_json()))


def _pinned(recipe: Recipe, processes: Processes, like: Recipe | None = None) -> Recipe:
    """The recipe with its thread count made explicit: the same count gives the same bits.

    What it leaves open, the threads and an engine "auto", is as the recipe `like` has it; else the
    processes of a machine share its cores. Raises ConfigError for many more threads than cores.
    """
    threads, engine = recipe.training.threads, recipe.engine
    if like is None:
        check_threads(threads)
    if threads is None:
        own = available_cores(processes.place.local_size)
        threads = own if like is None else like.training.threads
    if engine == "auto" and like is not None:
        engine = like.engine
    training = recipe.training.model_copy(update={"threads": threads})
    return recipe.model_copy(update={"training": training, "engine": engine})
