"""The folder of an ensemble: a recipe trained over folds and seeds, and what came of it.

ensemble.json         recipe, number of folds, seeds
fold-2-seed-0/ …      the members: ordinary runs
result.json           figures of the members together, there once all are trained
out-of-fold.npy       (N, K) float32: what members that did not learn from a picture say of it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from handloom import _kept as kept
from handloom._files import read_json, write_json
from handloom.data import check_variants
from handloom.errors import ConfigError, RunError
from handloom.recipes import Recipe, load_recipe, make_recipe
from handloom.run import RunFolder, assemble, counting
from handloom.run.results import PartResult, Run, open_run
from handloom.studies.ensemble.committee import Committee, judged, mean_probabilities

FORMAT = 1
FOLDER_FILE = "ensemble.json"
RESULT = "result.json"
OUT_OF_FOLD = "out-of-fold.npy"
MOST_MEMBERS = 10_000

_SEEDS: kept.Kind = (
    "a list of different seeds",
    lambda value: (
        type(value) is list
        and 0 < len(value) <= MOST_MEMBERS
        and all(type(seed) is int and 0 <= seed < 2**63 for seed in value)
        and len(set(value)) == len(value)
    ),
)
_FOLDS: kept.Kind = (
    "a number of folds or null",
    lambda value: value is None or (type(value) is int and 2 <= value <= 1000),
)
PLAN: kept.Kinds = {"folds": _FOLDS, "seeds": _SEEDS, "recipe": kept.TABLE}
TOGETHER: kept.Kinds = {
    "members": kept.COUNT,
    "folds": _FOLDS,
    "seeds": _SEEDS,
    "validation": {"accuracy": kept.SHARE, "spread": kept.NUMBER},
    "seconds": kept.NUMBER,
    "parameters": kept.COUNT,
    "out_of_fold?": kept.PART,
    "test?": kept.LOOKED_AT,
}


@dataclass(frozen=True)
class Plan:
    """What an ensemble is made of: a recipe, K folds or None, and seeds."""

    recipe: Recipe
    folds: int | None
    seeds: tuple[int, ...]

    def members(self) -> dict[str, Recipe]:
        """The members' folders and recipes, fold after fold for one seed after the other."""
        found = {}
        folds = (None,) if self.folds is None else range(1, self.folds + 1)
        for seed, fold in product(self.seeds, folds):
            name = f"seed-{seed}" if fold is None else f"fold-{fold}-seed-{seed}"
            place = {"data.folds": self.folds, "data.fold": fold}
            found[name] = load_recipe(self.recipe, {"seed": seed, **place})
        return found

    def write(self, folder: Path) -> None:
        """Write ensemble.json, whole or not at all."""
        told = self.recipe.model_dump(mode="json", exclude_none=True)
        plan = {"format": FORMAT, "folds": self.folds, "seeds": list(self.seeds), "recipe": told}
        write_json(folder / FOLDER_FILE, plan)

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan in a folder; raises RunError where there is none, or a damaged one."""
        path = folder / FOLDER_FILE
        try:
            plan = read_json(path)
        except FileNotFoundError:
            raise RunError(f"{folder} is no ensemble: it has no {FOLDER_FILE}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        kept.check_kept(path, plan, PLAN)
        try:
            check_members(plan["folds"], len(plan["seeds"]))
        except ConfigError as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        return cls(make_recipe(plan["recipe"], str(path)), plan["folds"], tuple(plan["seeds"]))


def check_members(folds: int | None, seeds: int) -> None:
    """Raise ConfigError for an ensemble of more members than can be meant."""
    count = seeds * (folds or 1)
    if count > MOST_MEMBERS:
        raise ConfigError(
            f"an ensemble has {MOST_MEMBERS:,} members at most, and these folds and seeds make "
            f"{count:,}"
        )


class Ensemble(Committee):
    """The trained members of an ensemble's folder; raises RunError while one is not finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = Plan.read(path)
        members = [Run(RunFolder(path / name)) for name in self.plan.members()]
        for run in members:
            if not run.is_finished:
                raise RunError(
                    f"{path}: {run.path.name} is not trained yet; go on with --resume {path}"
                )
        super().__init__(members)

    def __repr__(self) -> str:
        return f"Ensemble({str(self.path)!r})"

    @property
    def is_finished(self) -> bool:
        """Whether the figures of the members together are there."""
        return (self.path / RESULT).is_file()

    @property
    def result(self) -> dict[str, Any]:
        """The figures of the members together."""
        path = self.path / RESULT
        try:
            result = read_json(path)
        except FileNotFoundError:
            raise RunError(f"{self.path} has no {path.name}; finish it with --resume") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read: {error}") from None
        kept.check_kept(path, result, TOGETHER)
        return result

    @property
    def looks(self) -> int:
        """How often the members together have looked at the test part."""
        return self.result.get("test", {}).get("evaluations", 0)

    def test(self, data_dir: str | Path | None = None, *, tta: Sequence[str] = ()) -> PartResult:
        """Look at the test part, and count the look in the ensemble's own result."""
        check_variants(tta)
        tested = self.evaluate(self.test_part(data_dir), tta=tta)
        self.count_look(tested, tta=tta)
        return tested

    def count_look(self, tested: PartResult, *, tta: Sequence[str] = ()) -> None:
        """Keep in the result what the members together gave on the test part."""
        told = tested.describe()
        figures = {"tta": {"variants": [*tta], **told}} if tta else told
        with counting(self.path):
            before = self.result
            test = {**before.get("test", {}), **figures, "evaluations": self.looks + 1}
            write_json(self.path / RESULT, before | {"test": test})

    def out_of_fold(self, data_dir: str | Path | None = None) -> PartResult:
        """What the ensemble is worth on pictures that it did not learn from.

        Each picture of the training part is judged by the members, one a seed, of whose training it
        was left out. Raises RunError for an ensemble without folds, and for other data.
        """
        if self.plan.folds is None:
            raise RunError(f"{self.path} was trained without folds, and has no out-of-fold score")
        known = self.runs[0].load_data(data_dir).train
        total = np.zeros((len(known), len(self.class_names)))
        for run in self.runs:
            _, positions = assemble.fold_positions(run.recipe, known)
            left_out = known.take(positions)
            if left_out.fingerprint() != run.data["fingerprints"]["validation"]:
                raise RunError(f"{run.path} was trained on other data: they have changed since")
            total[positions] += run.predict_probabilities(left_out.images)
        return judged(known.labels, mean_probabilities([total]))


def is_ensemble(path: str | Path) -> bool:
    """Whether the folder is an ensemble's, finished or not."""
    return (Path(path) / FOLDER_FILE).is_file()


def open_ensemble(path: str | Path) -> Ensemble:
    """The ensemble in a folder; raises RunError where there is none, or one not finished yet."""
    return Ensemble(Path(path))


def open_together(paths: Sequence[str | Path]) -> Run | Committee:
    """What predicts for some folders: a run, an ensemble, or a committee of all their runs."""
    if len(paths) == 1:
        return open_ensemble(paths[0]) if is_ensemble(paths[0]) else open_run(paths[0])
    opened = [open_together([path]) for path in paths]
    runs = [one.runs if isinstance(one, Committee) else (one,) for one in opened]
    return Committee([run for some in runs for run in some])
