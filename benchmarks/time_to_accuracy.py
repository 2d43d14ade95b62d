"""Seconds from the start of a process to a network that reaches an accuracy: ours and PyTorch.

    python -m benchmarks.time_to_accuracy                     every target, five seeds, on test
    python -m benchmarks.time_to_accuracy mnist-99 --seeds 1

Each target has a recipe, benchmarks/recipes/<target>.toml. Its settings and its number of epochs
were chosen on validation pictures alone, with other seeds than those used here:

    python -m benchmarks.time_to_accuracy mnist-99 --part validation --first-seed 100 -o K=V

The test pictures are looked at once, at the end of a training that nothing stops before. All of it
counts: the interpreter's start, imports, data, compilation, training, evaluation. PyTorch has the
identical recipe, its first weights and its learning rates included, in the configuration that
`python -m benchmarks` finds to be good: fused, channels-last, tuned allocator. Implementations take
turns, seed by seed. "first time" is ours with nothing compiled before, for the first seed; what it
compiled is there for all others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.job import TUNED_ALLOCATOR
from benchmarks.worker import ROOT
from handloom import data
from handloom.cli.output import Voice
from handloom.recipes import Recipe, load_recipe
from handloom.run import assemble

HERE = Path(__file__).parent
RECIPES = {path.stem: path for path in sorted((HERE / "recipes").glob("*.toml"))}
COLUMNS = ("", "seconds", "least", "most", "training", "compiling", "accuracy", "±", "")


class Training(NamedTuple):
    """One process, from its start to its end."""

    seconds: float
    accuracy: float
    training_s: float
    compile_s: float


class Way(NamedTuple):
    """A program that trains, with its further arguments; `is_first` runs once, first of all."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    is_first: bool = False


def ways(names: Sequence[str]) -> list[Way]:
    """`torch`, or engines of ours; the loom twice: for the first time, and with its cache."""
    pytorch = Way("PyTorch", ("pytorch",), TUNED_ALLOCATOR)
    ours = [Way(f"handloom {name}", ("ours", name), {}) for name in names if name != "torch"]
    first = [
        way._replace(name=f"{way.name}, first time", is_first=True)
        for way in ours
        if "loom" in way.command
    ]
    return [*first, *ours, *([pytorch] if "torch" in names else [])]


def prepare(folder: Path, recipe_file: Path, overrides: list[str], part: str) -> Path:
    """Write the job of one training, for every way of doing it; returns its file."""
    recipe = load_recipe(recipe_file, overrides)
    parts = assemble.load_parts(recipe)
    job = folder / "job.json"
    model = assemble.build_model(recipe, parts.train.image_shape, parts.train.num_classes)
    weights: dict[str, Any] = {n: p.value for n, p in model.named_parameters().items()}
    np.savez(folder / "weights.npz", **weights)
    assert recipe.data.name is not None
    job.write_text(
        json.dumps(
            {
                "recipe_file": str(recipe_file),
                "overrides": overrides,
                "recipe": recipe.model_dump(mode="json", exclude_none=True),
                "part": part,
                "threads": assemble.count_threads(recipe),
                "files": [str(path) for path in data.fetch(recipe.data.name)],
                "num_validation": len(parts.validation),
                "weights": str(folder / "weights.npz"),
                "learning_rates": learning_rates(recipe, len(parts.train)),
            }
        )
    )
    return job


def learning_rates(recipe: Recipe, num_pictures: int) -> list[float]:
    """The schedule's, of every step."""
    steps_per_epoch = -(-num_pictures // recipe.training.batch_size)
    schedule = assemble.build_schedule(recipe, steps_per_epoch)
    return [float(schedule(step)) for step in range(recipe.training.epochs * steps_per_epoch)]


def train(way: Way, job: Path) -> Training:
    """Start the process, wait for its end, and read what it says.

    What was compiled lies beside the job: what the user's cache holds plays no part.
    """
    program, *arguments = way.command
    cache = {"HANDLOOM_CACHE": str(job.parent / "compiled")}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.trainings.{program}", str(job), *arguments],
        cwd=ROOT,
        env={**os.environ, **way.environment, **cache},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    said = json.loads(done.stdout)
    return Training(seconds, said["accuracy"], said["training_s"], said["compile_s"])


def row(name: str, trainings: Sequence[Training], target: float) -> tuple[str, ...]:
    """A line of the table."""
    seconds, accuracies, training, compiling = zip(*trainings, strict=True)
    accuracy = statistics.mean(accuracies)
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    return (
        name,
        f"{statistics.mean(seconds):.2f}",
        f"{min(seconds):.2f}",
        f"{max(seconds):.2f}",
        f"{statistics.mean(training):.2f}",
        f"{statistics.mean(compiling):.2f}",
        f"{accuracy:.4f}",
        f"{spread:.4f}",
        "" if accuracy >= target else f"below {target:.2f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(RECIPES))
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--ways", default="loom,torch", help="of loom, numpy and torch")
    parser.add_argument("-o", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="a JSON file for all figures")
    args = parser.parse_args()
    if unknown := set(args.targets) - RECIPES.keys():
        parser.error(f"no target is called {', '.join(unknown)}; there are {', '.join(RECIPES)}")

    voice, figures = Voice.PERSON, {}
    for target in args.targets or RECIPES:
        done: dict[str, list[Training]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                overrides = [*args.overrides, f"seed={seed}"]
                job = prepare(Path(folder), RECIPES[target], overrides, args.part)
                for way in ways(args.ways.split(",")):
                    if way.is_first and seed > args.first_seed:
                        continue  # compiling takes as long for every seed
                    done.setdefault(way.name, []).append(train(way, job))
        percent = float(target.rpartition("-")[2])
        voice.say(f"\n{target}: {args.part} pictures, {args.seeds} seeds from {args.first_seed}")
        voice.table(COLUMNS, [row(name, trained, percent / 100) for name, trained in done.items()])
        figures[target] = {name: [t._asdict() for t in trained] for name, trained in done.items()}
    if args.out is not None:
        args.out.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
