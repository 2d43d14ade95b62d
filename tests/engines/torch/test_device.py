"""Devices: the one that is asked for or a sentence, never another one in silence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from handloom.engines.torch.device import (
    can_find,
    exact_products,
    find_device,
    find_precision,
    largest_power_below,
    limited_to,
    memory_told,
)
from handloom.errors import ConfigError, StateError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine whose GPUs are told by the test: `cuda` of NVIDIA's, `mps` or none of Apple's."""
    there = SimpleNamespace(cuda_built=True, cuda=0, mps_built=False, mps=False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: there.cuda_built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there.cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there.cuda)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: there.mps_built)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there.mps)
    return there


def test_auto_is_a_gpu_where_there_is_one(machine: Any) -> None:
    assert find_device("auto") == torch.device("cpu")
    machine.mps = True
    assert find_device("auto") == torch.device("mps")
    machine.cuda = 1
    assert find_device("auto") == torch.device("cuda")


def test_what_is_there_is_given(machine: Any) -> None:
    machine.cuda, machine.mps_built, machine.mps = 2, True, True
    for name in ("cpu", "cuda", "cuda:1", "mps"):
        assert find_device(name) == torch.device(name)
        assert can_find(name)


@pytest.mark.parametrize(
    ("name", "there", "told"),
    [
        ("cuda", {"cuda_built": False}, "was built without CUDA"),
        ("cuda:0", {}, "finds no NVIDIA GPU; does nvidia-smi show one?"),
        ("cuda:2", {"cuda": 2}, "there are 2 GPUs here, counted from 0"),
        ("mps", {}, "was built without Metal"),
        ("mps", {"mps_built": True}, "finds no Apple GPU"),
        ("mps:1", {"mps_built": True, "mps": True}, "without a number"),
        ("tpu", {"cuda": 1}, "devices are cpu, cuda, cuda:1"),
        ("cpu:1", {}, "devices are cpu"),
    ],
)
def test_what_is_not_there_is_refused(
    name: str, there: dict[str, Any], told: str, machine: Any
) -> None:
    vars(machine).update(there)
    with pytest.raises(ConfigError) as caught:
        find_device(name)
    assert f'torch.device is "{name}", which is not available' in str(caught.value)
    assert told in str(caught.value)
    assert not can_find(name)


def test_bfloat16_is_for_gpus_that_compute_in_it(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    single, double, half = torch.float32, torch.float64, torch.bfloat16
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for capability, found in (((7, 5), single), ((8, 0), half), ((9, 0), half)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, c=capability: c)
        assert find_precision("auto", cuda, single) is found
    assert find_precision("auto", cuda, double) is double
    assert find_precision("auto", cpu, single) is single
    assert find_precision("bfloat16", cpu, single) is half
    assert find_precision("float32", cuda, single) is single


# -- memory ---------------------------------------------------------------------------------------

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1000, r"training on 1000 images at once; try training.batch_size = 512"),
        (512, r"on 512 images at once; try training.batch_size = 256"),
        (1, "on 1 images at once; use a smaller network"),
    ],
)
def test_the_end_of_memory_is_told_with_a_proposal(error: Any, count: int, told: str) -> None:
    with (
        pytest.raises(ConfigError, match=told),
        memory_told(count, "training", "training.batch_size"),
    ):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), StateError("out of turn")])
def test_other_errors_are_left_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, memory_told(8, "training", "training.batch_size"):
        raise error
    assert caught.value is error


def test_the_proposal_is_smaller() -> None:
    assert [largest_power_below(n) for n in (2, 3, 4, 5, 100, 128, 129)] == [
        1,
        2,
        2,
        4,
        64,
        64,
        128,
    ]


# -- what is set is set back ----------------------------------------------------------------------


def test_threads_and_products_are_put_back() -> None:
    threads, products = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    with limited_to(threads + 1), exact_products():
        assert torch.get_num_threads() == threads + 1
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.get_num_threads(), torch.backends.cudnn.allow_tf32) == (threads, products)
