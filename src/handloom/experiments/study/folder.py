"""The study's folder, in which everything is found again.

study.toml   what was asked, resolved       trials/<key>/trial.json   a configuration's parameters
base.toml    the recipe it is asked of      trials/<key>/seed-<n>/    an ordinary run
trials.csv   a row a configuration          best.toml                 the best one as a recipe
figures/     pictures                       logs/                     what workers complained about
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handloom._files import make_folder, write_json
from handloom.errors import RunError
from handloom.experiments.study.load import STUDY_FILE
from handloom.experiments.study.space import Parameters

End = Literal["pruned", "failed"]


@dataclass(frozen=True)
class TrialRecord:
    """trial.json: what the runs do not tell by themselves."""

    number: int
    """In the order in which trials were begun, from 0."""
    parameters: Parameters
    ended: End | None = None
    """Before its time. Whether a trial is complete, its runs tell."""
    why: str = ""
    """A sentence on why it was pruned or failed."""


@dataclass(frozen=True)
class TrialFolder:
    """One configuration's folder."""

    path: Path

    @property
    def key(self) -> str:
        """The configuration's name."""
        return self.path.name

    def run(self, seed: int) -> Path:
        """The run with that seed."""
        return self.path / f"seed-{seed}"

    def begun_seeds(self) -> list[int]:
        """Seeds whose runs hold a recipe."""
        names = (path.parent.name for path in self.path.glob("seed-*/recipe.toml"))
        return sorted(int(name.removeprefix("seed-")) for name in names)

    def claim(self) -> bool:
        """Make the folder; False where somebody has made it before. No two get True."""
        make_folder(self.path.parent)
        try:
            self.path.mkdir()
        except FileExistsError:
            return False
        except OSError as error:
            raise RunError(f"cannot make the folder {self.path}: {error.strerror}") from error
        return True

    def read(self) -> TrialRecord | None:
        """trial.json; None where a kill came before it was written. Raises RunError if damaged."""
        path = self.path / "trial.json"
        try:
            return TrialRecord(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None

    def write(self, record: TrialRecord) -> None:
        """Write trial.json, whole or not at all."""
        told: dict[str, Any] = {"number": record.number, "parameters": record.parameters}
        if record.ended is not None:
            told |= {"ended": record.ended, "why": record.why}
        write_json(self.path / "trial.json", told)


@dataclass(frozen=True)
class StudyFolder:
    """Names and files of one study."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """The study at `path`; raises RunError where there is none."""
        folder = cls(path)
        if not folder.plan.is_file():
            raise RunError(f"{path} is no study: it has no {STUDY_FILE}")
        return folder

    @property
    def plan(self) -> Path:
        """What was asked."""
        return self.path / STUDY_FILE

    @property
    def base(self) -> Path:
        """The recipe around which is searched."""
        return self.path / "base.toml"

    @property
    def table(self) -> Path:
        """A row a configuration."""
        return self.path / "trials.csv"

    @property
    def best(self) -> Path:
        """The best configuration as a whole recipe."""
        return self.path / "best.toml"

    @property
    def figures(self) -> Path:
        """Folder of pictures."""
        return self.path / "figures"

    @property
    def logs(self) -> Path:
        """Folder of what workers wrote."""
        return self.path / "logs"

    def trial(self, key: str) -> TrialFolder:
        """The folder of one configuration."""
        return TrialFolder(self.path / "trials" / key)

    def trials(self) -> list[TrialFolder]:
        """All that were begun, by name."""
        return [TrialFolder(path.parent) for path in sorted(self.path.glob("trials/*/trial.json"))]
