"""The folder of an ensemble: a series over folds and seeds, and the result of its members together.

ensemble.json         recipe, number of folds, seeds
fold-2-seed-0/ …      the members: ordinary runs
result.json           figures of the members together, written once all are trained
out-of-fold.npy       (N, K) float32: what members that did not learn from an image predict for it
logs/                 what worker processes printed
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handloom import _kept as kept
from handloom._files import read_json, write_json
from handloom.data import check_variants
from handloom.errors import ConfigError, RunError
from handloom.recipes import make_recipe
from handloom.run import RunFolder, assemble, counting
from handloom.run.results import PartResult, Run, open_run
from handloom.series import Series
from handloom.series.plan import MOST_MEMBERS, check_members
from handloom.studies.ensemble.combined import CombinedRuns, judged, mean_probabilities

FORMAT = 1
FOLDER_FILE = "ensemble.json"
RESULT = "result.json"
OUT_OF_FOLD = "out-of-fold.npy"

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


def write_plan(folder: Path, plan: Series) -> None:
    """Write ensemble.json, whole or not at all."""
    recipe = plan.recipe.model_dump(mode="json", exclude_none=True)
    content = {"format": FORMAT, "folds": plan.folds, "seeds": list(plan.seeds), "recipe": recipe}
    write_json(folder / FOLDER_FILE, content)


def read_plan(folder: Path) -> Series:
    """The plan in a folder; raises RunError where there is none, or a damaged one."""
    path = folder / FOLDER_FILE
    try:
        plan = read_json(path)
    except FileNotFoundError:
        raise RunError(f"{folder} is not an ensemble: it has no {FOLDER_FILE}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    kept.check_kept(path, plan, PLAN)
    try:
        check_members(plan["folds"], len(plan["seeds"]))
    except ConfigError as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    return Series(make_recipe(plan["recipe"], str(path)), tuple(plan["seeds"]), plan["folds"])


class Ensemble(CombinedRuns):
    """The trained members of an ensemble's folder; raises RunError while one is not finished."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = read_plan(path)
        members = [Run(RunFolder(member.path)) for member in self.plan.members(path)]
        for run in members:
            if not run.is_finished:
                raise RunError(
                    f"{path}: {run.path.name} is not trained yet; resume with --resume {path}"
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
        """How often the members together have looked at the test split."""
        return self.result.get("test", {}).get("evaluations", 0)

    def test(self, data_dir: str | Path | None = None, *, tta: Sequence[str] = ()) -> PartResult:
        """Look at the test split, and count the look in the ensemble's own result."""
        check_variants(tta)
        tested = self.evaluate(self.test_part(data_dir), tta=tta)
        self.count_look(tested, tta=tta)
        return tested

    def count_look(self, tested: PartResult, *, tta: Sequence[str] = ()) -> None:
        """Keep in the result what the members together gave on the test split."""
        evaluated = tested.describe()
        figures = {"tta": {"variants": [*tta], **evaluated}} if tta else evaluated
        with counting(self.path):
            before = self.result
            test = {**before.get("test", {}), **figures, "evaluations": self.looks + 1}
            write_json(self.path / RESULT, before | {"test": test})

    def out_of_fold(self, data_dir: str | Path | None = None) -> PartResult:
        """What the ensemble is worth on images that it did not learn from.

        Each image of the training split is judged by the members, one a seed, of whose training it
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


def open_combined(paths: Sequence[str | Path]) -> Run | CombinedRuns:
    """What predicts for some folders: a run, an ensemble, or a committee of all their runs."""
    if len(paths) == 1:
        return open_ensemble(paths[0]) if is_ensemble(paths[0]) else open_run(paths[0])
    opened = [open_combined([path]) for path in paths]
    runs = [one.runs if isinstance(one, CombinedRuns) else (one,) for one in opened]
    return CombinedRuns([run for some in runs for run in some])
