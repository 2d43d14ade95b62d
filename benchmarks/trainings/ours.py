"""One training with Handloom, and the accuracy at its end, as JSON.

    python -m benchmarks.trainings.ours JOB.json ENGINE

The job names the recipe, the changes to it, and the part, "test" or "validation", whose pictures
are looked at, once, when the training is over. Nothing is evaluated before, for nothing depends on
it: the number of epochs is the recipe's.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from handloom.engines import limited_to
from handloom.recipes import load_recipe
from handloom.run import assemble
from handloom.training.trainer import evaluate


def main(job_file: str, engine_name: str) -> None:
    job = json.loads(Path(job_file).read_text())
    recipe = load_recipe(job["recipe_file"], [*job["overrides"], f"engine={engine_name}"])
    with limited_to(assemble.count_threads(recipe)):
        parts = assemble.load_parts(recipe)
        engine = assemble.build_engine(recipe, parts).engine
        batches = assemble.training_batches(recipe, parts, engine.model)
        started = time.perf_counter()
        for epoch in range(recipe.training.epochs):
            for _ in engine.train(batches.epoch(epoch), 0, batches.steps_per_epoch):
                pass
        trained = time.perf_counter()
        seen = parts.test if job["part"] == "test" else parts.validation
        assert seen is not None
        pictures = assemble.evaluation_batches(recipe, seen, parts.normalisation)
        accuracy = evaluate(engine, pictures, "seen")["seen_accuracy"]
    outcome = {
        "accuracy": accuracy,
        "note": engine.name,
        "compile_s": getattr(engine, "compile_seconds", 0.0),
        "training_s": trained - started,
        "evaluation_s": time.perf_counter() - trained,
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
