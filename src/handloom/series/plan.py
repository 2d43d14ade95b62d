"""The plan of a series: which runs it has, and the names of their folders.

seed-0/ seed-1/ …             a recipe over seeds
fold-1-seed-0/ fold-2-seed-0/ …   over folds and seeds
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from handloom.errors import ConfigError
from handloom.recipes import Recipe, load_recipe
from handloom.series.member import Member

MEMBER_FOLDER = re.compile(r"(fold-[1-9]\d*-)?seed-\d+")
MOST_MEMBERS = 10_000
_DIGITS = 8


@dataclass(frozen=True)
class Series:
    """A recipe over seeds and, if there are any, K folds."""

    recipe: Recipe
    seeds: tuple[int, ...]
    folds: int | None = None

    def recipes(self) -> dict[str, Recipe]:
        """Folder name -> recipe, all folds of one seed after those of the other."""
        folds = (None,) if self.folds is None else range(1, self.folds + 1)
        return {
            folder_name(seed, fold): load_recipe(
                self.recipe, {"seed": seed, "data.folds": self.folds, "data.fold": fold}
            )
            if self.folds is not None
            else load_recipe(self.recipe, {"seed": seed})
            for seed, fold in product(self.seeds, folds)
        }

    def members(
        self, folder: Path, *, root: Path | None = None, data_dir: Path | None = None
    ) -> list[Member]:
        """Its runs, in `folder`; `root`, which is `folder` unless given, is the series' own."""
        return [
            Member(recipe, folder / name, root or folder, data_dir)
            for name, recipe in self.recipes().items()
        ]


def folder_name(seed: int, fold: int | None = None) -> str:
    """'seed-0', or 'fold-1-seed-0'."""
    return f"seed-{seed}" if fold is None else f"fold-{fold}-seed-{seed}"


def check_members(folds: int | None, seeds: int) -> None:
    """Raise ConfigError for a series of more members than can be meant."""
    if (count := seeds * (folds or 1)) > MOST_MEMBERS:
        raise ConfigError(
            f"these folds and seeds make {count:,} runs; a series has at most {MOST_MEMBERS:,}"
        )


def parse_seeds(text: str, first: int) -> tuple[int, ...]:
    """'0,1,2': these seeds; '3': three seeds, counted from `first`; '7,': the seed 7 alone.

    Raises ConfigError for anything else, and where a seed is named twice.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and not words[-1]:
        words.pop()
    numbers = [int(word) for word in words if re.fullmatch(r"\d{1,18}", word)]
    if len(numbers) < len(words) or len(set(numbers)) < len(words):
        raise ConfigError(
            f"--seeds takes a count like 3, or different whole numbers like 0,1,2; got {text!r}"
        )
    if "," in text:
        return tuple(numbers)
    check_members(None, numbers[0])
    if numbers[0] == 0:
        raise ConfigError("--seeds 0 means no run; for the seed 0 alone write --seeds 0,")
    return tuple(range(first, first + numbers[0]))


def identity(recipe: Recipe) -> dict[str, Any]:
    """What makes a recipe another one: everything but its description, seed and threads.

    Values that are defaults are left out, so that a key that recipes get later changes no name.
    """
    content = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"description", "seed"})
    content["training"].pop("threads", None)
    return content


def digest(recipe: Recipe) -> str:
    """Eight hexadecimal digits that stand for the recipe's `identity`."""
    text = json.dumps(identity(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
