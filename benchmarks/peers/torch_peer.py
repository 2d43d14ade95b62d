"""PyTorch on the CPU, at its best: pictures in memory, nothing done twice, no DataLoader.

Settings: `compile` (torch.compile), `channels_last`, `optimizer` ("default", "foreach", "fused"),
and for inference `trace` (TorchScript, frozen and optimised).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from shared import Job, Unable, serve
from torch import Tensor
from torch_layers import network


class _Base:
    """What training and inference have in common."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.job = job
        self.dtype = getattr(torch, job.dtype)
        images, labels = job.pictures()
        is_mlp = job.layers[0]["layer"] == "flatten"
        self.images = torch.from_numpy(images.reshape(len(images), -1) if is_mlp else images)
        self.labels = torch.from_numpy(labels)
        self.layout = (
            torch.channels_last if job.settings.get("channels_last") else torch.contiguous_format
        )
        model: Any = network(job.layers, job.weights())
        self.model: torch.nn.Module = model.to(memory_format=self.layout)
        isa = torch.backends.cpu.get_cpu_capability()
        self.note = f"torch {torch.__version__}, {isa}"
        if job.settings.get("compile") and "AVX512" not in isa:
            _narrow_inductor()

    def normalised(self, images: Tensor) -> Tensor:
        x = images.to(self.dtype).mul_(1.0 / 255.0)
        return x.contiguous(memory_format=self.layout) if x.ndim == 4 else x


class Train(_Base):
    """One fused, gathered, zeroed-by-dropping step after the other."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.optimizer = optimizer(self.model, job)
        self.rows = job.batches(len(self.images))
        self.loss: Any = self._loss
        if job.settings.get("compile"):
            self.loss = torch.compile(self._loss)

    def _loss(self, x: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.model(x), labels)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            rows = torch.from_numpy(next(self.rows))
            x = self.normalised(self.images.index_select(0, rows))
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(x, self.labels.index_select(0, rows)).backward()
            self.optimizer.step()

    def result(self) -> dict[str, np.ndarray]:
        return {name: p.detach().numpy() for name, p in self.model.named_parameters()}


class Predict(_Base):
    """Class ids of batches, one after the other."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.model.eval()
        self.slices = job.slices(len(self.images))
        self.forward: Any = self.model
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if job.settings.get("trace"):
                x = self.normalised(self.images[: job.batch_size])
                traced: Any = torch.jit.trace(self.model, x)
                self.forward = torch.jit.optimize_for_inference(traced)
            elif job.settings.get("compile"):
                self.forward = torch.compile(self.model)

    def run(self, steps: int) -> None:
        with torch.inference_mode():
            for _ in range(steps):
                self.forward(self.normalised(self.images[next(self.slices)])).argmax(1)

    def result(self) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            x = self.normalised(self.images[: self.job.batch_size])
            return {"outputs": self.forward(x).numpy()}


class Product:
    """A square matrix product, for the machine's largest number of operations a second."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.a, self.b, self.c = (torch.rand(job.size, job.size) for _ in range(3))
        self.note = f"torch {torch.__version__}"

    def run(self, steps: int) -> None:
        for _ in range(steps):
            torch.mm(self.a, self.b, out=self.c)

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": self.c.numpy()}


class Triad:
    """a = b + 2 c over arrays of `size` bytes together, for the memory's bandwidth."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.a, self.b, self.c = (torch.rand(job.size // 12) for _ in range(3))
        self.note = f"torch {torch.__version__}"

    def run(self, steps: int) -> None:
        for _ in range(steps):
            torch.add(self.b, self.c, alpha=2.0, out=self.a)

    def result(self) -> dict[str, np.ndarray]:
        return {"outputs": self.a.numpy()}


def optimizer(model: torch.nn.Module, job: Job) -> torch.optim.Optimizer:
    """SGD in the job's form; every parameter decays, as PyTorch has it by default."""
    said = dict(job.optimizer)
    name = said.pop("name")
    if name not in ("sgd", "momentum", "nesterov"):
        raise Unable(f"is not set up for {name}")
    kind = job.settings.get("optimizer", "default")
    how = {} if kind == "default" else {kind: True}
    return torch.optim.SGD(model.parameters(), nesterov=name == "nesterov", **said, **how)


def _narrow_inductor() -> None:
    """Inductor asks the processor, not ATEN_CPU_CAPABILITY: tell it to write 256-bit code too."""
    from torch._inductor import config

    config.cpp.simdlen = 256


if __name__ == "__main__":
    serve({"train": Train, "predict": Predict, "product": Product, "triad": Triad})
