"""The run folder: the only truth about a training.

recipe.toml          the recipe, resolved            metrics.jsonl   one row an epoch
environment.json     versions, processor, threads    result.json     figures of the best weights
data.json            classes, sizes, normalisation   figures/        pictures
checkpoints/         last, best, epoch-NNN           .lock           who is writing, while it does
tensorboard/         events, if they are asked for   report.html     all of it on one page, as well
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handloom._files import write_atomic, write_json
from handloom.errors import RunError


@dataclass(frozen=True)
class RunFolder:
    """Names and files of one run; knows nothing of what a training means."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """A new folder, or an empty one that is there; raises RunError where anything else is."""
        if path.is_file():
            raise RunError(f"{path} is a file; a run needs a folder of its own")
        if path.is_dir() and any(path.iterdir()):
            raise RunError(
                f"{path} is not empty; continue it with --resume {path}, or choose another --out"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the run folder {path}: {error.strerror}") from None
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run at `path`; raises RunError where there is none."""
        folder = cls(path)
        if not folder.recipe.is_file():
            raise RunError(f"{path} is no run: it has no {folder.recipe.name}")
        return folder

    def foreign_entry(self) -> str | None:
        """The name of something in the folder that no run puts there, if there is any."""
        own = (self.recipe, self.environment, self.data, self.metrics, self.result)
        known = {path.name for path in (*own, self.figures, self.checkpoints, self.tensorboard)}
        entries = sorted(path.name for path in self.path.glob("[!.]*"))
        return next((name for name in entries if name not in known), None)

    @classmethod
    def next_free(cls, parent: Path, name: str) -> Path:
        """parent/name, or name-2, name-3 … : the first that does not exist."""
        number = 1
        while (path := parent / (name if number == 1 else f"{name}-{number}")).exists():
            number += 1
        return path

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
        """Class names, picture shape, normalisation, sizes: what predicting needs of the data."""
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
    def figures(self) -> Path:
        """Folder of pictures."""
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

    def read_json(self, path: Path, required: Iterable[str] = ()) -> dict[str, Any]:
        """The object in `path`; raises RunError where it is missing, damaged or lacks a key."""
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise RunError(f"{self.path} has no {path.name}; finish it with --resume") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        if not isinstance(value, dict):
            raise RunError(f"{path} should hold one JSON object")
        for key in required:
            if key not in value:
                raise RunError(f"{path} is damaged: it has no {key!r}")
        return value

    def write_json(self, path: Path, value: dict[str, Any]) -> None:
        """Write `value` to `path`, whole or not at all."""
        write_json(path, value)

    def write_recipe(self, text: str) -> None:
        """Write the resolved recipe, whole or not at all."""
        write_atomic(self.recipe, text.encode())
