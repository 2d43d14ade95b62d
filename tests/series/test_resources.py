from __future__ import annotations

import pytest

from handloom import load_recipe
from handloom.errors import ConfigError
from handloom.series.resources import Need, check_room, fair_share, need_of


@pytest.mark.parametrize("cores", [[1], [4], [4, 4], [3, 5], [1, 1, 6], [2, 7, 8]])
@pytest.mark.parametrize("workers", [1, 2, 3, 5, 30])
def test_the_share_is_the_largest_with_which_all_find_room(cores: list[int], workers: int) -> None:
    def room(share: int) -> int:
        return sum(has // share for has in cores)

    share = fair_share(cores, workers)
    assert share >= 1
    assert share == 1 or room(share) >= workers
    assert all(room(larger) < workers for larger in range(share + 1, max(cores) + 1))


def test_without_a_number_of_workers_a_trial_has_a_core() -> None:
    assert fair_share([8, 16], None) == 1
    assert fair_share([], 3) == 1


def test_a_trial_wants_a_gpu_where_the_torch_engine_would_take_one() -> None:
    def need(engine: str, device: str | None, *, has_gpus: bool) -> Need:
        told = {"engine": engine} | ({} if device is None else {"torch.device": device})
        return need_of(load_recipe("digits", told), 3, has_gpus=has_gpus)

    for has_gpus in (False, True):
        assert need("numpy", None, has_gpus=has_gpus) == (3, 0)
        assert need("auto", None, has_gpus=has_gpus) == (3, 0)
        assert need("torch", "cpu", has_gpus=has_gpus) == (3, 0)
        assert need("torch", "cuda", has_gpus=has_gpus) == (3, 1)
        assert need("auto", "cuda", has_gpus=has_gpus) == (3, 1)
        assert need("torch", None, has_gpus=has_gpus) == (3, int(has_gpus))
    with pytest.raises(ConfigError, match='Ray chooses the GPU; set "cuda"'):
        need("torch", "cuda:1", has_gpus=True)


def test_machines_have_room_for_whole_trials() -> None:
    assert Need(2, 0).places(Need(5, 0)) == 2
    assert Need(2, 1).places(Need(8, 1)) == 1
    assert Need(2, 1).places(Need(8, 0)) == 0
    check_room(Need(4, 1), [Need(2, 2), Need(4, 1)])
    with pytest.raises(ConfigError, match=r"needs 4 cores of one machine.* has 3"):
        check_room(Need(4, 0), [Need(2, 0), Need(3, 0)])
    with pytest.raises(ConfigError, match="no machine of the cluster has reported a GPU"):
        check_room(Need(1, 1), [Need(2, 0)])
