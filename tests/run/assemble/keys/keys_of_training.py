"""[training] and [torch]."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from key import Built, Key, same

from handloom.data import Stage
from handloom.engines import TrainingSetup
from handloom.training.callbacks import EarlyStop, Plateau, TensorBoard

ANY_SIZE = {
    "model": {
        "name": "sequential",
        "layers": [{"layer": "global-avg-pool"}, {"layer": "linear", "out_features": 3}],
    },
    "training.epochs": 4,
}
SIZE = {"until": 0.25, "size": 3}


def callback(kind: type, attribute: str | None = None) -> Any:
    """A setting of the one callback of a kind; without an attribute, whether it is there."""

    def look(built: Built) -> Any:
        found = [each for each in built.trainer.callbacks if isinstance(each, kind)]
        return getattr(found[0], attribute) if attribute else len(found)

    return look


def stages(built: Built) -> tuple[Stage, ...]:
    return built.trainer.train.stages


def kept(built: Built) -> list[str]:
    return sorted(path.name for path in built.run.folder.checkpoints.iterdir())


def on_torch(name: str) -> Any:
    """What the torch engine is told, by an engine that only listens: PyTorch takes seconds."""

    def look(built: Built) -> Any:
        heard: dict[str, Any] = {}

        class Listens:
            name, uncovered, describe = "torch", (), str

            def __init__(self, model: Any, setup: TrainingSetup) -> None:
                self.model = model
                heard.update(vars(setup), **vars(setup.torch))

        module = "handloom.engines.torch"
        kept = {key: sys.modules.get(key) for key in (module, f"{module}.engine")}
        package = ModuleType(module)
        package.__path__ = []  # it imports nothing of its own
        sys.modules |= {
            module: package,
            f"{module}.engine": SimpleNamespace(TorchEngine=Listens),  # type: ignore[dict-item]
        }
        try:
            built.trainer  # noqa: B018
        finally:
            for key, old in kept.items():
                sys.modules.pop(key) if old is None else sys.modules.update({key: old})
        return heard[name]

    return look


def _plateau(**settings: Any) -> dict[str, Any]:
    return {f"training.plateau.{key}": value for key, value in settings.items()}


KEYS = {
    "training.Training.epochs": Key(
        "training.epochs", 2,
        lambda built: (built.trainer.epochs, len(built.run.history.epochs)), (2, 2),
    ),
    "training.Training.batch_size": Key(
        "training.batch_size", 10,
        lambda built: [len(batch.labels) for batch in built.trainer.train.epoch(0)], [10] * 6,
    ),
    "training.Training.monitor": same(
        "training.monitor", "val_loss", lambda built: built.trainer.monitor
    ),
    "training.Training.early_stopping_patience": Key(
        "training.early_stopping_patience", 3, callback(EarlyStop), 1
    ),
    "training.Training.early_stopping_monitor": same(
        "training.early_stopping_monitor", "val_accuracy", callback(EarlyStop, "monitor"),
        training__early_stopping_patience=2, training__monitor="val_loss",
    ),
    "training.Training.plateau": Key("training.plateau", {}, callback(Plateau), 1),
    "training.Plateau.factor": same(
        "training.plateau.factor", 0.3, callback(Plateau, "factor"), training__plateau={}
    ),
    "training.Plateau.patience": same(
        "training.plateau.patience", 7, callback(Plateau, "patience"), training__plateau={}
    ),
    "training.Plateau.monitor": same(
        "training.plateau.monitor", "val_accuracy", callback(Plateau, "monitor"),
        training__plateau={},
    ),
    "training.Training.evaluate_every": Key(
        "training.evaluate_every", 3,
        lambda built: [row["step"] for row in built.run.history.rows if row.get("mid_epoch")],
        [3, 6, 9, 12],
    ),
    "training.Training.checkpoints": Key(
        "training.checkpoints", 2, kept,
        ["best.safetensors", "epoch-002.safetensors", "epoch-003.safetensors",
         "last.safetensors"],
    ),
    "training.Training.ema": same("training.ema", 0.7, lambda built: built.engine.setup.ema),
    "training.Training.eval_batch_size": Key(
        "training.eval_batch_size", 8,
        lambda built: [len(batch.labels) for batch in built.trainer.validation.epoch(0)],
        [8, 8, 4],
    ),
    "training.Training.threads": same(
        "training.threads", 2,
        lambda built: built.run.folder.read_json(built.run.folder.environment)["threads"],
    ),
    "training.Training.tensorboard": Key(
        "training.tensorboard", True, callback(TensorBoard), 1
    ),
    "training.Training.sizes": Key(
        "training.sizes", [SIZE], stages, (Stage(1, 3),), ANY_SIZE
    ),
    "training.Size.until": Key(
        "training.sizes", [SIZE | {"until": 0.5}], stages, (Stage(2, 3),),
        ANY_SIZE | {"training.sizes": [SIZE]},
    ),
    "training.Size.size": Key(
        "training.sizes", [SIZE | {"size": 4}], stages, (Stage(1, 4),),
        ANY_SIZE | {"training.sizes": [SIZE]},
    ),
    "torch.Torch.device": same("torch.device", "mps", on_torch("device"), engine="torch"),
    "torch.Torch.precision": same(
        "torch.precision", "bfloat16", on_torch("precision"), engine="torch"
    ),
    "torch.Torch.compile": same("torch.compile", True, on_torch("compile"), engine="torch"),
}  # fmt: skip
