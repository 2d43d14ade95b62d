"""Where PyTorch computes, how precisely, and what is said when that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from handloom.engines.setup import Precision
from handloom.errors import ConfigError


def find_device(name: str) -> torch.device:
    """The device that `name` asks for: "auto", "cpu", "cuda", "cuda:1" and so on, or "mps".

    "auto" is a GPU where PyTorch sees one, and the CPU elsewhere. A GPU that was asked for by name
    and is not there raises ConfigError, which says why: nothing falls back to the CPU in silence.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cpu" and not number:
        return torch.device("cpu")
    looks = {"cuda": _no_cuda, "mps": _no_mps}
    why = looks[kind](number) if kind in looks else "devices are cpu, cuda, cuda:1 …, and mps"
    if why is not None:
        raise ConfigError(
            f'torch.device is "{name}", which is not available: {why}; '
            'set torch.device = "cpu", or "auto" for what is available'
        )
    return torch.device(name)


def can_find(name: str) -> bool:
    """Whether `find_device` gives the device."""
    try:
        find_device(name)
    except ConfigError:
        return False
    return True


def _no_cuda(number: str) -> str | None:
    """Why there is no such CUDA device, as a clause; None if there is."""
    if not torch.backends.cuda.is_built():
        return f"this PyTorch ({torch.__version__}) was built without CUDA"
    if not torch.cuda.is_available():
        return "PyTorch finds no NVIDIA GPU; does nvidia-smi show one?"
    count = torch.cuda.device_count()
    if number and not (number.isdecimal() and int(number) < count):
        return f"there are {count} GPUs here, counted from 0"
    return None


def _no_mps(number: str) -> str | None:
    """Why there is no GPU of Apple's, as a clause; None if there is."""
    if number:
        return 'Apple\'s GPU is "mps", without a number'
    if not torch.backends.mps.is_built():
        return f"this PyTorch ({torch.__version__}) was built without Metal"
    if not torch.backends.mps.is_available():
        return "PyTorch finds no Apple GPU"
    return None


def find_precision(name: Precision, device: torch.device, weights: torch.dtype) -> torch.dtype:
    """What products are computed in: bfloat16 under autocast, or the kind that the weights are of.

    "auto" is bfloat16 for float32 weights on a CUDA device that computes in it.
    """
    if name == "auto" and weights is torch.float32 and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else weights
    return torch.bfloat16 if name == "bfloat16" else weights


def describe_device(device: torch.device) -> str:
    """What a person calls it: 'the CPU', 'NVIDIA H100 80GB HBM3 (cuda:0)'."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return f"{torch.cuda.get_device_name(index)} (cuda:{index})"
    return "the CPU" if device.type == "cpu" else "Apple's GPU (mps)"


@contextmanager
def limited_to(threads: int) -> Iterator[None]:
    """PyTorch's own threads on the CPU within the context: the same count gives the same bits."""
    before = torch.get_num_threads()
    if before != threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if before != threads:
            torch.set_num_threads(before)


@contextmanager
def exact_products() -> Iterator[None]:
    """Convolutions of float32 in float32 within the context: cuDNN would round them to ten bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@contextmanager
def memory_told(count: int, doing: str, key: str) -> Iterator[None]:
    """Turn the end of the device's memory into a sentence about `count` examples at once.

    doing: what was done with them, "training". key: the recipe's key that sets their number.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        way = f"try {key} = {largest_power_below(count)}" if count > 1 else "use a smaller network"
        raise ConfigError(
            f"the device's memory is too small for {doing} on {count} images at once; {way}"
        ) from None


def largest_power_below(count: int) -> int:
    """The largest power of two that is smaller than `count`, from 2 up."""
    return 1 << ((count - 1).bit_length() - 1)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    told = str(error).lower()  # of the CPU's and of Metal's allocators, which have no class
    return "can't allocate memory" in told or "not enough memory" in told or "out of memory" in told
