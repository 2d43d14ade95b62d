"""The run folder: the only truth about a training.

recipe.toml          the recipe, resolved            metrics.jsonl   one row an epoch
environment.json     versions, processor, threads    result.json     figures of the best weights
data.json            classes, sizes, normalisation   figures/        images
checkpoints/         last, best, epoch-NNN           .lock           who is writing, while it does
tensorboard/         events, if they are asked for   report.html     all of it on one page, as well
diverged.json        where the training was lost     .result.lock    held while result.json changes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handloom._files import (
    check_inside,
    claim_folder,
    make_folder,
    read_json,
    write_atomic,
    write_json,
)
from handloom._kept import FINISHED, RESULT, Kinds, check_kept
from handloom._reasons import cause
from handloom.errors import RunError

if TYPE_CHECKING:
    from handloom.recipes import Recipe

RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """Names and files of one run; knows nothing of what a training means."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A new folder, or an empty one that is there; raises RunError where anything else is."""
        if path.is_file():
            raise RunError(f"{path} is a file; a run needs a folder of its own")
        make_folder(path, within=None)
        folder = cls(path)
        folder.check_empty()
        return folder

    def check_empty(self) -> None:
        """Raise RunError where the folder holds more than a lock."""
        try:
            names = sorted(path.name for path in self.path.iterdir())
        except OSError as error:
            raise RunError(f"cannot read the folder {self.path}: {cause(error)}") from None
        if [name for name in names if name != ".lock"]:
            raise RunError(
                f"{self.path} is not empty; continue it with --resume {self.path}, or choose "
                "another --out"
            )

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at `path`; raises RunError where there is none."""
        folder = cls(path)
        if not folder.recipe.is_file():
            raise RunError(f"{path} is not a run folder: it has no {folder.recipe.name}")
        return folder

    def foreign_entry(self) -> str | None:
        """The name of something in the folder that no run puts there, if there is any."""
        own = (
            self.recipe, self.environment, self.data, self.metrics, self.result, self.diverged,
        )  # fmt: skip
        known = {path.name for path in (*own, self.figures, self.checkpoints, self.tensorboard)}
        entries = sorted(path.name for path in self.path.glob("[!.]*"))
        return next((name for name in entries if name not in known), None)

    def own(self, subfolder: Path) -> Path:
        """`subfolder` of this run, made if need be; RunError where a link would lead out of it."""
        make_folder(subfolder, within=self.path)
        return subfolder

    def check_links(self) -> None:
        """Raise RunError where a subfolder that a training writes to is a link."""
        for subfolder in (self.checkpoints, self.figures, self.tensorboard):
            check_inside(subfolder, self.path)

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """Versions, processor, threads."""
        return self.path / "environment.json"

    @property
    def data(self) -> Path:
        """Class names, image shape, normalisation, sizes: what predicting needs of the data."""
        return self.path / "data.json"

    @property
    def metrics(self) -> Path:
        """One JSON row an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """Figures of the best weights; there once the training has ended."""
        return self.path / "result.json"

    @property
    def diverged(self) -> Path:
        """Where and why the training diverged; there only if it did."""
        return self.path / "diverged.json"

    @property
    def figures(self) -> Path:
        """Folder of images."""
        return self.path / "figures"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Folder of events for TensorBoard, where the recipe asks for them."""
        return self.path / "tensorboard"

    def checkpoint(self, name: str) -> Path:
        """Path of the checkpoint `last`, `best` or `epoch-NNN`."""
        return self.checkpoints / f"{name}.safetensors"

    def read_json(self, path: Path, kinds: Kinds | None = None) -> dict[str, Any]:
        """The object in `path`; raises RunError where it is missing or damaged."""
        try:
            value = read_json(path)
        except FileNotFoundError:
            raise RunError(f"{self.path} has no {path.name}; finish it with --resume") from None
        except OSError as error:
            raise RunError(f"{path} cannot be read: {cause(error)}") from None
        except ValueError as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        check_kept(path, value, kinds or {})
        return value

    def read_result(self) -> dict[str, Any]:
        """result.json; raises RunError where it is missing or damaged."""
        result = self.read_json(self.result, RESULT)
        if "best_epoch" in result:
            check_kept(self.result, result, FINISHED)
        return result

    def write_json(self, path: Path, value: dict[str, Any]) -> None:
        """Write `value` to `path`, whole or not at all."""
        write_json(path, value)

    def write_recipe(self, text: str) -> None:
        """Write the resolved recipe, whole or not at all."""
        write_atomic(self.recipe, text.encode())


def new_run(recipe: str | Path | Recipe, path: str | Path | None) -> RunFolder:
    """The folder `path`, new or empty; by default runs/<recipe>, or the next of runs/<recipe>-2 ….

    A default folder is made in one step with finding its name, so that each of several trainings
    that begin at once gets its own.
    """
    if path is not None:
        return RunFolder.create(Path(path))
    is_named = isinstance(recipe, str | Path)
    return RunFolder(
        claim_folder(RUNS, Path(recipe).stem if is_named else recipe.data.name or "run")
    )
