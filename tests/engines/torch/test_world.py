"""What processes do together: real ones, which share batches, wait for each other, and leave."""

from __future__ import annotations

from typing import Any

import pytest
from processes import Ended, launch

torch = pytest.importorskip("torch")

from handloom.engines.joined import joined  # noqa: E402
from handloom.engines.processes import Place  # noqa: E402
from handloom.engines.torch.shared_norm import share_norms  # noqa: E402
from handloom.engines.torch.world import World  # noqa: E402
from handloom.errors import ConfigError, RunError  # noqa: E402

PROGRAM = """
import os, sys, time
from pathlib import Path

import torch
import torch._dynamo  # which DistributedDataParallel would import, in every process anew
from handloom.engines.joined import joined
from handloom.errors import HandloomError, RunError
import handloom.engines.torch.world

def network(shape):
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm2d if len(shape) == 3 else torch.nn.BatchNorm1d
    return torch.nn.Sequential(
        norm(shape[0]), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Tanh()),
        torch.nn.Linear(torch.Size(shape).numel(), 4), torch.nn.BatchNorm1d(4),
    ).double()

def compare(world, count, *shape):
    '''A network on a whole batch, and its copy on this process's part of it.'''
    torch.manual_seed(count)
    x, labels = torch.randn(count, *shape).double(), torch.randint(0, 4, (count,))
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0]).double()

    def loss_of(outputs):
        return torch.nn.functional.cross_entropy(outputs, labels, weights)

    one, mine = network(shape), network(shape)
    spread = world.spread(mine)
    outputs, expected = world.whole(spread(x[world.part(count)]), count), one(x)
    close = dict(rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(outputs, expected, **close)
    loss_of(outputs).backward()
    loss_of(expected).backward()
    for (name, p), q in zip(one.named_parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, **close, msg=name)
    buffers = dict(one.named_buffers())
    for name, buffer in mine.named_buffers():
        torch.testing.assert_close(buffer, buffers[name], **close, msg=name)
    torch.testing.assert_close(mine.eval()(x), one.eval()(x), **close)
    bits = torch.cat([p.grad.flatten() for p in mine.parameters()])
    assert (world.gathered(bits) == bits).all(), "every process has the same bits"

def mathematics():
    with joined() as world:
        assert world.size == 3
        for count in (12, 7, 2):  # even parts, uneven ones, an empty one
            compare(world, count, 2, 3, 3)
            compare(world, count, 5)
        labels = torch.arange(7)
        assert (world.whole(labels[world.part(7)], 7) == labels).all()
    print("all equal")

def spoken(happens):
    '''As the command line tells errors.'''
    try:
        with joined() as world:
            happens(world)
    except HandloomError as error:
        print("handloom:", error)
        sys.exit(error.exit_code)

def words():
    with joined() as world, joined() as again:
        assert again is world
        told = [world.from_first(lambda: f"{n} from {world.place.rank}") for n in range(3)]
        assert told == ["0 from 0", "1 from 0", "2 from 0"], told

def in_turn(folder):
    with joined() as world, world.in_turn():
        if world.place.local_rank == 0:
            time.sleep(0.3)
            Path(folder, "fetched").touch()
        assert Path(folder, "fetched").exists()

def the_others_wait(folder):
    with joined() as world:
        if world.is_first:
            time.sleep(0.3)
            Path(folder, "written").touch()
    assert Path(folder, "written").exists()

def one_after_the_other():
    for number in range(2):
        with joined() as world:
            assert world.added_up(torch.ones(1)).item() == world.size

def waiting():
    def happens(world):
        if world.is_first:
            raise RunError("the folder is full")
        world.from_first(str)
    spoken(happens)

def computing():
    def happens(world):
        if world.place.rank == 1:
            raise RunError("the disk is gone")
        world.gathered(torch.zeros(3))
    spoken(happens)

def all_of_them():
    def happens(world):
        raise RunError("the recipe is wrong")
    spoken(happens)

def a_bug():
    def happens(world):
        if world.place.rank == 1:
            raise ZeroDivisionError("a bug")
        world.gathered(torch.zeros(3))
    spoken(happens)

def killed():
    def happens(world):
        if world.place.rank == 1:
            os.kill(os.getpid(), 9)
        world.gathered(torch.zeros(3))
    spoken(happens)
"""
GOOD = ("words", "in_turn", "the_others_wait", "one_after_the_other")
BAD = {
    "waiting": ((2, 2), "handloom: the folder is full"),
    "computing": ((2, 2), "handloom: the disk is gone (process 1 of 2, on "),
    "all_of_them": ((2, 2), "handloom: the recipe is wrong"),
    "a_bug": ((1, 1), ""),
    "killed": ((2, -9), "handloom: another process of this training ended"),
}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Ended]]:
    """How the processes of each case ended: two of each, and three that compute together."""
    folder = tmp_path_factory.mktemp("leaving")
    takes_folder = ("in_turn", "the_others_wait")
    cases = {
        name: (2, name, str(folder)) if name in takes_folder else (2, name)
        for name in (*GOOD, *BAD)
    }
    cases["mathematics"] = (3, "mathematics")
    return dict(zip(cases, launch(PROGRAM, folder, *cases.values()), strict=True))


def test_a_batch_in_parts_has_the_gradients_of_the_whole(left: dict[str, list[Ended]]) -> None:
    ended = left["mathematics"]
    assert [process.out for process in ended] == ["all equal\n"] * 3, ended


@pytest.mark.parametrize("name", GOOD)
def test_they_wait_for_each_other(name: str, left: dict[str, list[Ended]]) -> None:
    assert left[name] == [Ended(0, "", "")] * 2


@pytest.mark.parametrize("name", BAD)
def test_an_error_ends_all_and_one_of_them_tells_it(
    name: str, left: dict[str, list[Ended]]
) -> None:
    codes, said = BAD[name]
    assert tuple(process.code for process in left[name]) == codes, left[name]
    lines = [line for process in left[name] for line in process.out.splitlines()]
    assert len(lines) == bool(said)
    assert all(line.startswith(said) for line in lines)
    tracebacks = ["Traceback" in process.err for process in left[name]]
    assert tracebacks == [False, name == "a_bug"], left[name]


def test_a_process_that_finds_no_others_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = "process 1 of 2 has not found the others: .*MASTER_ADDR"
    with pytest.raises(RunError, match=said), joined():
        pass


def second_of_four() -> World:
    return World(Place(1, 4, 1, 4), torch.distributed.HashStore())


def gpus(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("count", "name", "device"),
    [
        (4, "auto", "cuda:1"), (8, "cuda", "cuda:1"), (4, "cpu", "cpu"), (1, "cpu", "cpu"),
        (0, "auto", "cpu"), (0, "cuda", "cuda"), (0, "cpu", "cpu"),
    ],
)  # fmt: skip
def test_every_process_has_a_gpu_of_its_own(
    count: int, name: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that was asked for and is not there stays asked for: the engine refuses it."""
    gpus(count, monkeypatch)
    assert second_of_four().device(name) == device


@pytest.mark.parametrize(
    ("count", "name", "said"),
    [
        (3, "auto", "4 processes were started on a machine with 3 GPUs; start 3"),
        (8, "cuda:1", 'torch.device is "cuda:1", one device, but 4 processes were started'),
        (0, "mps", 'torch.device is "mps", one device'),
    ],
)
def test_processes_do_not_share_a_gpu(
    count: int, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(count, monkeypatch)
    with pytest.raises(ConfigError, match=said):
        second_of_four().device(name)


@pytest.mark.parametrize(
    "how", [{"affine": False}, {"track_running_stats": False}, {"momentum": None}]
)
def test_a_batch_norm_that_cannot_be_shared_is_refused(how: dict[str, Any]) -> None:
    network = torch.nn.Sequential(torch.nn.Sequential(torch.nn.BatchNorm1d(3, **how)))
    with pytest.raises(ConfigError, match="a batch norm that several processes share has"):
        share_norms(network, second_of_four())
