"""Cores and GPUs: what a task needs of the machines of a cluster, and what they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from handloom.errors import ConfigError
from handloom.recipes import Recipe


class Need(NamedTuple):
    """What a task takes of one machine, or what a machine has."""

    cores: int
    gpus: int

    def places(self, machine: Need) -> int:
        """How many such tasks a machine with these resources has room for."""
        room = machine.cores // self.cores
        return min(room, machine.gpus // self.gpus) if self.gpus else room


def fair_share(cores: Sequence[int], workers: int | None) -> int:
    """The most cores, at least 1, that each of `workers` tasks can have on these machines."""
    if workers is None:
        return 1
    fitting = (
        share
        for share in range(max(cores, default=1), 1, -1)
        if sum(has // share for has in cores) >= workers
    )
    return next(fitting, 1)


def need_of(recipe: Recipe, threads: int, *, has_gpus: bool) -> Need:
    """A core for each thread, and a GPU where the torch engine is to compute on one.

    Raises ConfigError where the recipe names one of several GPUs: which one it is, Ray says.
    """
    device = "auto" if recipe.torch is None else recipe.torch.device
    if device.startswith("cuda:"):
        raise ConfigError(
            f'torch.device is "{device}", and on a cluster Ray chooses the GPU; set "cuda"'
        )
    is_left_open = recipe.engine == "torch" and device == "auto"
    return Need(threads, int(device == "cuda" or (is_left_open and has_gpus)))


def check_room(need: Need, machines: Sequence[Need]) -> None:
    """Raise ConfigError where none of the machines could ever take a task."""
    if any(need.places(machine) for machine in machines):
        return
    if need.gpus and not any(machine.gpus for machine in machines):
        raise ConfigError(
            "the recipe computes on cuda, and no machine of the cluster has reported a GPU to Ray"
        )
    most = max((machine.cores for machine in machines), default=0)
    raise ConfigError(
        f"a training needs {need.cores} cores of one machine, and the largest of the cluster has "
        f"{most}; set fewer training.threads, or more --workers"
    )
