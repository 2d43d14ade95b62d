"""What engines share whose weights live elsewhere: in native code's memory, on a device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from handloom._typing import AnyArray, FloatArray
from handloom.engines.numpy.engine import NumpyEngine
from handloom.engines.setup import TrainingSetup
from handloom.nn.layer import Layer
from handloom.optim import Optimizer

There = TypeVar("There")


class RemoteEngine(ABC, Generic[There]):
    """Trains elsewhere, and keeps a numpy engine of the same network for whoever reads it.

    The numpy engine's arrays are brought up to date when somebody asks for the network, its
    optimizer or its state. A subclass pairs them with what they are elsewhere (`_pairs`), copies
    one of them (`_fetch`, `_send`), and sets `_behind` when it has trained.
    """

    def __init__(self, model: Layer, setup: TrainingSetup) -> None:
        self.setup = setup
        self.loss = setup.loss
        self._host = NumpyEngine(model, setup)
        self.dtype = self._host.dtype
        self._optimizer = setup.optimizer
        self._behind = False
        """Whether the numpy engine's arrays are older than those elsewhere."""

    @abstractmethod
    def _pairs(self) -> Iterator[tuple[AnyArray, There]]:
        """Each array that training changes, the average's running statistics excepted, and what
        it is elsewhere."""

    @abstractmethod
    def _fetch(self, there: There) -> AnyArray:
        """The numbers of an array, from elsewhere."""

    @abstractmethod
    def _send(self, array: AnyArray, there: There) -> None:
        """The numbers of an array, to elsewhere."""

    def _pull(self) -> None:
        """Bring the numpy engine up to date."""
        if not self._behind:
            return
        for array, there in self._pairs():
            array[...] = self._fetch(there)
        if self._host.average is not None:
            buffers = self._host.model.named_buffers()
            for name, buffer in self._host.average.named_buffers().items():
                buffer[...] = buffers[name]
        self._behind = False

    def _push(self) -> None:
        """Train on from what the numpy engine holds."""
        for array, there in self._pairs():
            self._send(array, there)
        self._behind = False

    # -- what is the same wherever the weights are -----------------------------------------------

    @property
    def model(self) -> Layer:
        """The network, its parameters as they are now."""
        self._pull()
        return self._host.model

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer, its slots as they are now."""
        self._pull()
        return self._optimizer

    @property
    def steps(self) -> int:
        """Optimizer updates done so far."""
        return self._optimizer.steps

    @property
    def lr_scale(self) -> float:
        """Factor on the schedule's learning rate."""
        return self._optimizer.lr_scale

    @lr_scale.setter
    def lr_scale(self, scale: float) -> None:
        self._optimizer.lr_scale = scale

    def weights(self) -> dict[str, AnyArray]:
        """Copies of the weights that predict."""
        self._pull()
        return self._host.weights()

    def state_dict(self) -> dict[str, AnyArray]:
        """As the numpy engine's, so that either may resume the other's training."""
        self._pull()
        return self._host.state_dict()

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Take up the state of an equal engine; raises StateError where it does not fit."""
        self._pull()
        self._host.load_state_dict(state)
        self._push()

    def locate_nonfinite(self, x: FloatArray) -> str:
        """Walk the network once more, in NumPy, and name the first place that is not finite."""
        self._pull()
        return self._host.locate_nonfinite(x)
