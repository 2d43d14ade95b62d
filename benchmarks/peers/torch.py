"""PyTorch on the CPU, at its best: pictures in memory, nothing done twice, no DataLoader.

Settings: `compile` (torch.compile), `channels_last`, `optimizer` ("default", "foreach", "fused"),
and for inference `trace` (TorchScript, frozen and optimised).
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.job import TUNED_ALLOCATOR, Job, Row, Unable

TITLE = "PyTorch"
AS_IT_COMES = "PyTorch as it comes"
"""With no option set."""

COMPILING = 8.0  # seconds, about

Weights = Mapping[str, np.ndarray]
Spec = Mapping[str, Any]


def rows(task: str, layers: Sequence[Spec], threads: Sequence[int]) -> list[Row]:
    """All combinations of its options; with its compilers, which take long, the fused optimizer.

    The kinds: as it comes; on all threads with the allocator as it is, and with it tuned; compiled;
    on one thread.
    """
    compilers: list[dict[str, Any]] = [{"compile": True}]
    if task == "predict":
        compilers.append({"trace": True})
    eager = list(_grid(task, layers, threads, ({},)))
    compiled = _grid(task, layers, threads, compilers)
    plain = next(row for row in eager if row.name == AS_IT_COMES)
    return [
        replace(plain, kind=AS_IT_COMES),
        *eager,
        *(row for row in compiled if row.settings.get("optimizer", "fused") == "fused"),
    ]


def _grid(
    task: str, layers: Sequence[Spec], threads: Sequence[int], compilers: Sequence[dict[str, Any]]
) -> Iterator[Row]:
    has_channels = any(spec["layer"] == "conv2d" for spec in layers)
    layouts = ({"channels_last": True}, {}) if has_channels else ({},)
    optimizers = [{"optimizer": kind} for kind in ("fused", "foreach", "default")]
    for compiler, layout, rule, count, allocator in product(
        compilers, layouts, optimizers if task == "train" else ({},), threads,
        (TUNED_ALLOCATOR, {}),
    ):  # fmt: skip
        settings = {**compiler, **layout, **rule}
        is_tuned = bool(allocator)
        kind = "compiled" if compiler else "tuned" if is_tuned else "eager"
        yield Row(
            _name(settings, is_tuned),
            count,
            settings,
            dict(allocator),
            kind if count == threads[0] else f"{count} threads",
            COMPILING if compiler.get("compile") else 0.3,
        )


def _name(settings: Mapping[str, Any], is_tuned: bool) -> str:
    how = "compiled" if "compile" in settings else "traced" if "trace" in settings else "eager"
    words = [f"PyTorch {how}"]
    if "channels_last" in settings:
        words.append("channels-last")
    if (rule := settings.get("optimizer", "default")) != "default":
        words.append(rule)
    if is_tuned:
        words.append("tuned allocator")
    name = ", ".join(words)
    return AS_IT_COMES if name == "PyTorch eager" else name


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


def network(layers: Sequence[Spec], weights: Weights) -> nn.Sequential:
    """The layers in a row; their names are their places, so that weights keep theirs.

    `weights` maps names as "1.weight" to arrays in PyTorch's own layout; they give the layers
    their sizes as well. Activations work in place. A flatten at the very start is left out: feed
    rows then. Raises Unable for a layer that is not known here.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for place, spec in enumerate(layers):
        if place == 0 and spec["layer"] == "flatten":
            continue
        prefix = f"{place}."
        own = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
        modules[str(place)] = _module(spec, own)
    made = nn.Sequential(modules)
    state = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    left_out = made.load_state_dict(state, strict=False)
    if left_out.unexpected_keys:
        raise Unable(f"has no place for the weights {', '.join(left_out.unexpected_keys)}")
    return made.to(next(iter(state.values())).dtype)


def _module(spec: Spec, own: Weights) -> nn.Module:
    """The module of one layer, which takes its sizes from its `own` weights."""
    match spec["layer"]:
        case "linear":
            out_features, in_features = own["weight"].shape
            return nn.Linear(in_features, out_features, bias="bias" in own)
        case "conv2d":
            out_channels, in_channels, *window = own["weight"].shape
            stride, padding = spec.get("stride", 1), spec.get("padding", 0)
            return nn.Conv2d(
                in_channels, out_channels, tuple(window), stride, padding, bias="bias" in own
            )
        case "batch-norm":
            return nn.BatchNorm2d(len(own["weight"]))
        case "max-pool":
            return nn.MaxPool2d(spec["kernel_size"], spec.get("stride"), spec.get("padding", 0))
        case "global-avg-pool":
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case "flatten":
            return nn.Flatten()
        case "dropout":
            return nn.Dropout(spec["p"])
        case "relu":
            return nn.ReLU(inplace=True)
        case "leaky-relu":
            return nn.LeakyReLU(spec.get("negative_slope", 0.01), inplace=True)
        case unknown:
            raise Unable(f"knows no layer {unknown!r}")


def _narrow_inductor() -> None:
    """Inductor asks the processor, not ATEN_CPU_CAPABILITY: tell it to write 256-bit code too."""
    from torch._inductor import config

    config.cpp.simdlen = 256


TASKS = {"train": Train, "predict": Predict, "product": Product, "triad": Triad}
