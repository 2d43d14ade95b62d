"""[training]: the loop, and the callbacks that a recipe asks for."""

from __future__ import annotations

from handloom._optional import require
from handloom.engines import Choice
from handloom.recipes import Recipe
from handloom.run import RunFolder
from handloom.run.assemble.batches import note_left_out, training_batches
from handloom.run.assemble.network import schedule_notes
from handloom.run.assemble.parts import Parts, evaluation_batches, overlap_notes
from handloom.training import History, Trainer
from handloom.training.callbacks import Callback, EarlyStop, Plateau, TensorBoard


def check_callbacks(recipe: Recipe) -> None:
    """Raise MissingExtraError where a callback that the recipe asks for lacks its library."""
    if recipe.training.tensorboard:
        require("tensorboardX", extra="tensorboard")


def build_trainer(
    recipe: Recipe,
    parts: Parts,
    choice: Choice,
    *,
    callbacks: list[Callback],
    history: History | None = None,
) -> Trainer:
    """All of it, ready to `fit`; the recipe's own callbacks come before those that are given."""
    said = recipe.training
    own: list[Callback] = []
    if said.tensorboard and history is not None and history.path is not None:
        own.append(TensorBoard(RunFolder(history.path.parent).tensorboard))
    if said.plateau is not None:
        own.append(Plateau(said.plateau.monitor, said.plateau.factor, said.plateau.patience))
    if said.early_stopping_patience is not None:
        own.append(EarlyStop(said.early_stopping_monitor, said.early_stopping_patience))
    model = choice.engine.model
    batches = training_batches(recipe, parts, model)
    return Trainer(
        choice.engine,
        batches,
        evaluation_batches(recipe, parts.validation, parts.normalisation),
        epochs=said.epochs,
        monitor=said.monitor,
        evaluate_every=said.evaluate_every,
        callbacks=[*own, *callbacks],
        history=history,
        notes=(
            *choice.notes,
            *schedule_notes(recipe),
            *note_left_out(recipe, batches, model),
            *overlap_notes(recipe, parts),
        ),
    )
