"""The one training loop, for every engine: fit -> epoch -> step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from handloom.data import Batch, Batches, Epoch
from handloom.engines import Engine, Evaluation, StepReport, check_batches
from handloom.errors import CheckpointError, DivergenceError
from handloom.training.history import History, Row
from handloom.training.metrics import RunningMeans, step_weight
from handloom.training.states import collected, hand_back

if TYPE_CHECKING:
    from handloom.training.callbacks.base import Callback


class Trainer:
    """Trains an engine on batches, evaluates it after every epoch, tells the callbacks.

    `epoch` counts finished epochs, `step` the steps that were reported; the engine may have done
    some more, but never past an evaluation. `monitor` is the metric that says which epoch was the
    best; without a validation split there is none, and rows tell of training alone. Every
    `evaluate_every` steps the validation split is evaluated in the middle of an epoch,
    too. Order, augmentation and dropout depend on seed, epoch and step alone, so the state to
    resume from is the engine's, two counters and what the callbacks keep. `notes` are sentences
    that a person should read before it starts.
    """

    def __init__(
        self,
        engine: Engine,
        train: Batches,
        validation: Batches | None,
        *,
        epochs: int,
        monitor: str = "val_accuracy",
        evaluate_every: int | None = None,
        callbacks: Sequence[Callback] = (),
        history: History | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.engine = engine
        self.train = train
        self.validation = validation
        self.epochs = epochs
        self.monitor = monitor
        self.evaluate_every = evaluate_every
        # A checkpoint holds what the others remember: it is written when they have seen the epoch.
        self.callbacks = sorted(callbacks, key=lambda callback: callback.comes_last)
        self.history = history or History()
        self.notes = tuple(notes)
        self.epoch = 0
        self.step = 0
        self.stop_reason: str | None = None

    # -- the loop, in three floors ----------------------------------------------------------------

    def fit(self, resume_from: dict[str, Any] | None = None) -> History:
        """Train until the last epoch or a requested stop.

        `resume_from` is the `state()` of the training that goes on; the engine has its own state
        already. Raises DivergenceError when loss or gradient are no longer finite, and ShapeError
        for a batch of one example that a batch norm cannot train on, before the first step.
        """
        check_batches(self.engine.model, self.train)
        self.step = self.engine.steps
        self._tell("on_fit_start")
        if resume_from is not None:
            self._load_state(resume_from)
        while self.epoch < self.epochs and self.stop_reason is None:
            self._run_epoch()
        self._tell("on_fit_end")
        return self.history

    def _run_epoch(self) -> None:
        self._tell("on_epoch_start")
        means = RunningMeans()
        started = time.perf_counter()
        evaluating = 0.0  # seconds; the training's own pace leaves it out
        epoch, done = self.train.epoch(self.epoch), 0
        while done < len(epoch):
            stop = min(done + self._steps_to_evaluation(), len(epoch))
            self._run_steps(epoch, done, stop, means)
            if self.evaluate_every and self.step % self.evaluate_every == 0:
                evaluating += self._evaluate_mid_epoch()
            done = stop
        training = time.perf_counter() - started - evaluating
        row = {"epoch": self.epoch + 1, "step": self.step, **means.row()}
        row |= self._validate() | {"lr": means.lr}
        row["seconds"] = round(time.perf_counter() - started, 4)
        row["images_per_s"] = round(means.images / training, 1)
        self.epoch += 1
        self.history.append(row)
        self._tell("on_epoch_end")

    def _run_steps(self, epoch: Epoch, start: int, stop: int, means: RunningMeans) -> None:
        for step, report in enumerate(self.engine.train(epoch, start, stop), start):
            if not report.is_finite:
                raise self._divergence(epoch[step], report)
            images = len(epoch.positions(step, step + 1))
            means.add(report, images, step_weight(self.engine.loss, epoch, step))
            self.step += 1
            self._tell("on_step_end", report)

    # -- what callbacks may use --------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """End the training after this epoch, and say why."""
        self.stop_reason = reason

    def state(self) -> dict[str, Any]:
        """Counters and the callbacks' states: with the engine's state, all that resuming needs."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "stop_reason": self.stop_reason,
            "callbacks": collected(self.callbacks),
        }

    # -- details ----------------------------------------------------------------------------------

    def _steps_to_evaluation(self) -> int:
        """Steps until the next evaluation in the middle of an epoch, at least one."""
        if self.evaluate_every is None:
            return len(self.train)
        return self.evaluate_every - self.step % self.evaluate_every

    def _evaluate_mid_epoch(self) -> float:
        """Evaluate, log, tell; returns the seconds it took."""
        started = time.perf_counter()
        row: Row = {"epoch": self.epoch + 1, "step": self.step, "mid_epoch": True}
        row |= self._validate()
        self.history.append(row)
        self._tell("on_evaluation_end", row)
        return time.perf_counter() - started

    def _validate(self) -> dict[str, float]:
        return {} if self.validation is None else evaluate(self.engine, self.validation, "val")

    def _load_state(self, state: dict[str, Any]) -> None:
        epoch, step = (_counted(state.get(key)) for key in ("epoch", "step"))
        reason = state.get("stop_reason")
        if epoch is None or step is None or not isinstance(reason, str | None):
            raise CheckpointError("the trainer's state is damaged: it has no step count")
        if step != self.engine.steps:
            raise CheckpointError(
                f"the trainer's state is from step {step}, the engine's from {self.engine.steps}"
            )
        try:
            hand_back(state["callbacks"], self.callbacks)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(
                f"the callbacks' states are damaged: {type(error).__name__} {error}"
            ) from None
        self.epoch, self.stop_reason = epoch, reason
        self.history.keep_until(step)

    def _tell(self, hook: str, *details: object) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self, *details)

    def _divergence(self, batch: Batch, report: StepReport) -> DivergenceError:
        what = "loss" if not math.isfinite(report.loss) else "gradient"
        return DivergenceError(
            f"the {what} is no longer finite at step {self.step + 1} "
            f"(epoch {self.epoch + 1}): loss {report.loss:.4g}, gradient norm "
            f"{report.grad_norm:.4g}; the first numbers that are not finite are in "
            f"{self.engine.locate_nonfinite(batch.x)}. Try a smaller optimizer.lr (now "
            f"{report.lr:.4g}), optimizer.clip_norm = 1, or schedule.warmup_epochs = 1"
        )


def evaluate(engine: Engine, batches: Batches, part: str) -> dict[str, float]:
    """{'<part>_loss', '<part>_accuracy'} over the whole part, whatever its batches are.

    The loss is Σ w l / Σ w, as `nn.losses.loss_weight` has w.
    """
    whole, count = Evaluation(0.0, 0.0, 0), 0
    for batch in batches.epoch(0).between(0, len(batches), dtype=engine.dtype):
        found = engine.evaluate(batch.x, batch.labels)
        whole = whole.plus(found)
        count += len(batch.labels)
    return {f"{part}_loss": whole.loss, f"{part}_accuracy": whole.correct / count}


def _counted(value: Any) -> int | None:
    """A number of epochs or steps; None for anything else, as in a damaged checkpoint."""
    return value if type(value) is int and value >= 0 else None
