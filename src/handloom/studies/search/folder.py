"""The study's folder, in which everything is found again.

study.toml   what was asked, resolved       trials/<key>/trial.json   a configuration's parameters
base.toml    the recipe it is asked of      trials/<key>/seed-<n>/    an ordinary run
trials.csv   one row per configuration          best.toml                 the best one as a recipe
figures/     images                       logs/                     what workers complained about
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handloom import _kept as kept
from handloom._files import make_folder, open_own, read_file, read_json, remove, write_json
from handloom._reasons import cause
from handloom.errors import RunError
from handloom.recipes import Recipe
from handloom.run import RunLock
from handloom.series import relocated
from handloom.series.plan import folder_name
from handloom.studies.search.plan.load import STUDY_FILE
from handloom.studies.search.plan.space import Parameters

_SEED = r"0|[1-9][0-9]{0,18}"
End = Literal["pruned", "failed"]

FORMER_TRIAL: kept.Kinds = {
    "number": kept.COUNT,  # from 0
    "parameters": kept.TABLE,
    "ended?": ("pruned or failed", lambda value: value in ("pruned", "failed", None)),
    "why?": ("text", lambda value: type(value) is str),
}
TRIAL: kept.Kinds = {"trial": kept.COUNT} | {
    key: kind for key, kind in FORMER_TRIAL.items() if key != "number"
}
"""trial.json."""


@dataclass(frozen=True)
class TrialRecord:
    """trial.json: what the runs do not tell by themselves."""

    number: int
    """In the order in which trials were begun, from 1."""
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
        return self.path / folder_name(seed)

    def begun_seeds(self) -> list[int]:
        """Seeds whose runs hold a recipe."""
        names = (path.parent.name for path in self.path.glob("seed-*/recipe.toml"))
        seeds = (name.removeprefix("seed-") for name in names)  # and what a user has put there
        return sorted(int(seed) for seed in seeds if re.fullmatch(_SEED, seed))

    def claim(self, record: TrialRecord) -> bool:
        """Make the folder, its record in it; False where somebody was first. No two get True."""
        study = self.path.parent.parent
        make_folder(self.path.parent, within=study)
        draft = TrialFolder(self.path.with_name(f".claim-{socket.gethostname()}-{os.getpid()}"))
        make_folder(draft.path, within=study)
        draft.write(record)
        try:
            draft.path.rename(self.path)
        except OSError as error:
            remove(draft.path)
            if self.path.is_dir():
                return False
            raise RunError(f"cannot make the folder {self.path}: {cause(error)}") from error
        return True

    def read(self) -> TrialRecord:
        """trial.json; raises RunError where it is damaged."""
        path = self.path / "trial.json"
        try:
            record = read_json(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        kept.check_kept(path, record, FORMER_TRIAL if _is_former(record) else TRIAL)
        number = record["number"] + 1 if _is_former(record) else record["trial"]
        return TrialRecord(number, record["parameters"], record.get("ended"), record.get("why", ""))

    def write(self, record: TrialRecord) -> None:
        """Write trial.json, whole or not at all."""
        content: dict[str, Any] = {"trial": record.number, "parameters": record.parameters}
        if record.ended is not None:
            content |= {"ended": record.ended, "why": record.why}
        write_json(self.path / "trial.json", content)


@dataclass(frozen=True)
class StudyFolder:
    """Names and files of one study."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """The study at `path`; raises RunError where there is none."""
        folder = cls(path)
        if not folder.plan.is_file():
            raise RunError(f"{path} is not a study: it has no {STUDY_FILE}")
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
        """One row per configuration."""
        return self.path / "trials.csv"

    @property
    def best(self) -> Path:
        """The best configuration as a whole recipe."""
        return self.path / "best.toml"

    @property
    def figures(self) -> Path:
        """Folder of images."""
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
        paths = (path.parent for path in sorted(self.path.glob("trials/*/trial.json")))
        return [TrialFolder(path) for path in paths if not path.name.startswith(".")]

    def located(self, recipe: Recipe) -> Recipe:
        """A recipe of the study with its own data's paths as they are now; as `relocated`."""
        return relocated(recipe, sorted(self.path.glob("trials/[!.]*/seed-*")))

    def next_number(self) -> int:
        """The number of the trial that is begun next: above all that are there."""
        return 1 + max((trial.read().number for trial in self.trials()), default=0)

    def own(self, subfolder: Path) -> Path:
        """A subfolder, made if need be; RunError where a link would lead out of the study."""
        make_folder(subfolder, within=self.path)
        return subfolder

    def claiming(self) -> RunLock:
        """Held by who makes a trial's folder; InUseError where somebody else does."""
        return RunLock(self.own(self.path / "trials"))

    def token(self) -> str:
        """A text that no other study's folder has, made when it is asked for the first time."""
        path = self.path / ".token"
        try:
            with open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                file.write(secrets.token_hex(8).encode())
        except FileExistsError:
            pass
        except OSError as error:
            raise RunError(f"cannot write {path}: {cause(error)}") from error
        try:
            return read_file(path, 100).decode()
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}; remove it") from None


def _is_former(record: Any) -> bool:
    """Whether a trial.json counts from 0, as it did once."""
    return isinstance(record, dict) and "number" in record and "trial" not in record
