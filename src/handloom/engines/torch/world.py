"""Several processes that train one network: parts of a batch, and what is said among them.

The mathematics is that of one process. Every process computes its rows of the batch; the outputs
are gathered, so that each sees the loss of the whole batch, and the gradients of the parts add up.
What the processes agree on besides, they tell through a store of the launcher's: words, not
tensors, and nothing that is pickled.
"""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from handloom.engines.processes import Place, Processes
from handloom.engines.torch.shared_norm import share_norms
from handloom.errors import ConfigError, HandloomError, RunError

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another one's numbers: the slowest start, the longest pause."""
LOOK_EVERY = 0.02
"""Seconds between two looks at what the first process has said."""
STOPPED = 130
"""Exit code of a training that was stopped from outside."""
_KEEP_BUFFERS: dict[str, Any] = (  # they are equal everywhere; PyTorch 2.13 has renamed the setting
    {"forward_sync_buffers": False}
    if "forward_sync_buffers" in signature(DistributedDataParallel).parameters
    else {"broadcast_buffers": False}
)

_trainings = itertools.count()
_joined: ContextVar[World | None] = ContextVar("joined", default=None)


class World(Processes):
    """The processes of one training, this one among them."""

    def __init__(self, place: Place, store: Store) -> None:
        self.place = place
        self._store = store
        self._said = itertools.count()
        self._turns = itertools.count()

    # -- what the computing needs -----------------------------------------------------------------

    def whole(self, rows: Tensor, count: int) -> Tensor:  # type: ignore[override]
        """The rows (count, ...) of all processes, in the batch's order, given this one's.

        A gradient flows to this one's alone. The parts travel as equal ones, filled up with zeros.
        """
        parts = [self.place._replace(rank=rank).part(count) for rank in range(self.size)]
        most = -(-count // self.size)
        padded = rows.new_zeros(most, *rows.shape[1:])
        padded[: len(rows)] = rows.detach()
        gathered = [torch.empty_like(padded) for _ in parts]
        dist.all_gather(gathered, padded)
        found = [
            rows if rank == self.place.rank else other[: part.stop - part.start]
            for rank, (other, part) in enumerate(zip(gathered, parts, strict=True))
        ]
        return torch.cat(found)

    def gathered(self, vector: Tensor) -> Tensor:
        """Everybody's vector (K,), equal in length: (size, K)."""
        vectors = [torch.empty_like(vector) for _ in range(self.size)]
        dist.all_gather(vectors, vector)
        return torch.stack(vectors)

    def added_up(self, vector: Tensor) -> Tensor:
        """The sum of everybody's vector (K,), to the same bits everywhere; `vector` is used up."""
        dist.all_reduce(vector)
        return vector

    def spread(self, module: torch.nn.Module) -> torch.nn.Module:  # type: ignore[override]
        """`module` in DistributedDataParallel; its batch norms see the whole batch from now on."""
        share_norms(module, self)
        device = next(module.parameters()).device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        spread = DistributedDataParallel(module, gradient_as_bucket_view=True, **_KEEP_BUFFERS)
        # The mean over processes would be of unequal parts: the parts' gradients are added up.
        spread.register_comm_hook(None, _sum)
        return spread

    def device(self, name: str) -> str:
        """The device of this process, where the recipe says `name`: every process has its own GPU.

        Raises ConfigError for a single GPU, for Apple's, and where there are fewer than processes.
        """
        if name == "mps" or name.startswith("cuda:"):
            raise ConfigError(
                f'torch.device is "{name}", one device, but {self.size} processes were started; '
                'use "cuda", which gives each its own GPU, or "cpu"'
            )
        if not torch.cuda.is_available():
            return "cpu" if name == "auto" else name
        if name != "cpu" and (count := torch.cuda.device_count()) < self.place.local_size:
            raise ConfigError(
                f"{self.place.local_size} processes were started on a machine with {count} GPUs; "
                f"start {count} on it, or train on its CPU with --device cpu"
            )
        return name if name == "cpu" else f"cuda:{self.place.local_rank}"

    # -- what the running needs -------------------------------------------------------------------

    def from_first(self, make: Callable[[], str]) -> str:
        """What the first process makes; the others wait for it, as long as it takes."""
        key = f"said/{next(self._said)}"
        if self.is_first:
            self._store.set(key, make())
        else:
            self._wait_for(key)
        return self._store.get(key).decode()

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """A context that each machine's first process passes before the machine's others enter."""
        key = f"turn/{next(self._turns)}/{self.place.machine}"
        if self.place.local_rank:
            self._wait_for(key)
        yield
        if not self.place.local_rank:
            self._store.set(key, "")

    # -- how it ends ------------------------------------------------------------------------------

    def leave(self) -> None:
        """End together: the first process is through with its work, and nobody listens any more."""
        self.from_first(str)
        if self.is_first:  # it may hold the store that the others still read
            for rank in range(1, self.size):
                self._wait_for(f"through/{rank}")
        else:
            self._store.set(f"through/{self.place.rank}", "")
        dist.destroy_process_group()

    def leads_out(self, exit_code: int) -> bool:
        """Whether this process is the first to leave with an error, and so the one that speaks."""
        own = f"{exit_code} by {self.place.rank}"
        with suppress(RuntimeError):  # where the store's own process has left, another one led
            return self._store.compare_set("left", "", own).decode() == own
        return False

    def exit_code_of_others(self) -> int | None:
        """The exit code that another process has left with; None if none has."""
        try:
            if not self._store.check(["left"]):
                return None
            return int(self._store.get("left").split()[0])
        except RuntimeError:
            return HandloomError.exit_code

    def _wait_for(self, key: str) -> None:
        while not self._store.check([key]):
            if (code := self.exit_code_of_others()) is not None:
                raise _Left(code)
            time.sleep(LOOK_EVERY)


class _Left(Exception):
    """Another process has left with an error, and has told it."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@contextmanager
def joined_world(place: Place) -> Iterator[World]:
    """Join the others; leave with them, too, whichever of them meets an error."""
    if (world := _joined.get()) is not None:
        yield world
        return
    store = _met(place)
    world = World(place, store)
    before = _joined.set(world)
    try:
        with _one_voice(world):
            yield world
            world.leave()
    finally:
        _joined.reset(before)


def _met(place: Place) -> Store:
    """The store of the words, when all processes have found each other."""
    try:
        store, _, _ = next(rendezvous("env://", timeout=PATIENCE))
        store = PrefixStore(f"handloom/{next(_trainings)}", store)
        dist.init_process_group(
            store=PrefixStore("numbers", store),
            rank=place.rank,
            world_size=place.size,
            timeout=PATIENCE,
        )
    except (dist.DistError, ValueError) as error:
        raise RunError(
            f"process {place.rank} of {place.size} has not found the others: {error}; start all "
            "of them with torchrun, on machines that can reach each other"
        ) from None
    return store


@contextmanager
def _one_voice(world: World) -> Iterator[None]:
    """Let one process alone tell of an error, and the others end quietly with its exit code."""
    try:
        yield
    except _Left as left:
        raise SystemExit(left.exit_code) from None
    except HandloomError as error:
        if not world.leads_out(error.exit_code):
            raise SystemExit(error.exit_code) from None
        if not world.is_first:
            where = f"process {world.place.rank} of {world.size}, on {socket.gethostname()}"
            error.args = (f"{error} ({where})",)
        raise
    except Exception as error:
        if (code := world.exit_code_of_others()) is not None:
            raise SystemExit(code) from None
        lost = _is_lost_peer(error)
        code = RunError.exit_code if lost else getattr(error, "exit_code", 1)
        if not world.leads_out(code):
            raise SystemExit(code) from None
        if not lost:
            raise
        raise RunError(
            f"another process of this training ended without an error, perhaps killed ({error}); "
            "resume from the last finished epoch with --resume"
        ) from None
    except BaseException:  # stopped from outside
        world.leads_out(STOPPED)
        raise


def _is_lost_peer(error: Exception) -> bool:
    """Whether a collective operation failed because a process is gone."""
    told = str(error).lower()
    signs = ("connection", "timed out", "socket", "remote process", "peer")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in told for sign in signs)
    )


def _sum(_: None, bucket):  # DDP compares annotations with its own class, and these are strings
    """DDP's hook: the gradients in a bucket, added up over the processes."""
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None, "this process belongs to the group"
    return work.get_future().then(lambda future: future.value()[0])
