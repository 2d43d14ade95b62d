"""A run made of somebody else's weights: everything that a training leaves, but the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handloom._files import write_atomic
from handloom._reasons import brief
from handloom._typing import AnyArray
from handloom.data import Normalisation
from handloom.engines import Engine, check_threads
from handloom.errors import CheckpointError, DataError
from handloom.exchange.load import copy_weights
from handloom.exchange.matching import Matching
from handloom.exchange.portable import FORMAT
from handloom.exchange.weights_file import WeightsFile, read_json, read_weights
from handloom.recipes import Recipe, load_recipe, to_toml
from handloom.run import RunFolder, RunLock, assemble, describe_environment, new_run
from handloom.run.results import Run
from handloom.training import save_checkpoint


class Imported(NamedTuple):
    """The run that was made, and which tensor of the file went where."""

    run: Run
    matching: Matching


def import_weights(
    weights: str | Path,
    recipe: str | Path | Recipe,
    run_dir: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    data_dir: str | Path | None = None,
) -> Imported:
    """Make a finished run of a safetensors file and the recipe that tells its network and data.

    The weights become the run's best ones; validation and test split are evaluated, which is the
    first look at the test split. A file that `handloom export` wrote brings its normalisation; for
    any other it is fitted on the recipe's training split. Raises CheckpointError for a file that
    cannot be read or does not fit, RunError for a folder that is not empty; nothing is written
    then.
    """
    path = Path(weights)
    base = load_recipe(recipe, overrides)
    check_threads(base.training.threads)
    file = read_weights(path)
    parts = assemble.load_parts(base, None if data_dir is None else Path(data_dir))
    description = parts.describe()
    description["normalisation"] = _normalisation(path, file.metadata, description).to_json()
    choice = assemble.build_engine(base, parts)
    training = base.training.model_copy(update={"threads": assemble.count_threads(base)})
    base = base.model_copy(update={"engine": choice.engine.name, "training": training})
    model = assemble.build_model(base, parts.train.image_shape, parts.train.num_classes)
    matching = copy_weights(model, file, path)

    folder = new_run(recipe, run_dir)
    with RunLock(folder.path):
        folder.check_empty()
        environment = describe_environment(threads=training.threads or 1, engine=choice.notes)
        folder.write_json(folder.environment, environment)
        folder.write_json(folder.data, description)
        folder.write_recipe(to_toml(base))
        write_atomic(folder.metrics, b"")
        _write_checkpoints(folder, choice.engine, model.state_dict())
        run = Run(folder)
        folder.write_json(folder.result, _result(run, parts, path, file, matching))
    return Imported(run, matching)


def _normalisation(path: Path, metadata: Mapping[str, str], data: dict[str, Any]) -> Normalisation:
    """The file's own, if it tells one; raises CheckpointError if it is of other images."""
    if "handloom_format" not in metadata:
        return Normalisation.from_json(data["normalisation"])
    if metadata["handloom_format"] != str(FORMAT):
        raise CheckpointError(
            f"{path} has the format {brief(metadata['handloom_format'])}, but this handloom reads "
            f"{FORMAT}: upgrade handloom"
        )
    for key in ("class_names", "image_shape"):
        if (of_file := read_json(path, metadata, key)) != data[key]:
            raise CheckpointError(
                f"{path} was trained with the {key.replace('_', ' ')} {brief(of_file)}, "
                f"but the recipe's data have {brief(data[key])}"
            )
    try:
        return Normalisation.from_json(read_json(path, metadata, "normalisation"))
    except DataError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _write_checkpoints(folder: RunFolder, engine: Engine, weights: Mapping[str, AnyArray]) -> None:
    """`best`, which predicts, and `last`, whose state says that there is nothing to go on with."""
    save_checkpoint(folder.checkpoint("best"), weights, {"epoch": 0, "step": 0})
    state = engine.state_dict()
    for part in ("model", "ema"):
        names = {f"{part}.{name}": array for name, array in weights.items()}
        state |= {name: array for name, array in names.items() if name in state}
    stopped = {"epoch": 0, "step": 0, "stop_reason": "the weights were imported", "callbacks": {}}
    save_checkpoint(folder.checkpoint("last"), state, stopped)


def _result(
    run: Run, parts: assemble.Parts, path: Path, file: WeightsFile, matching: Matching
) -> dict[str, Any]:
    """The figures of a training that took no epoch, and where its weights come from."""
    result: dict[str, Any] = {"validation": run.evaluate(parts.validation).describe()}
    if parts.test is not None:
        result["test"] = run.evaluate(parts.test).describe() | {"evaluations": 1}
    return result | {
        "best_epoch": 0,
        "epochs": 0,
        "seconds": 0.0,
        "parameters": run.model.num_parameters(),
        "engine": run.recipe.engine,
        "seed": run.recipe.seed,
        "imported": {
            "file": path.name,
            "sha256": file.sha256,
            "matched": "by name" if matching.by_name else "by order and shape",
        },
    }
