from __future__ import annotations

import pytest

from handloom.engines.joined import joined
from handloom.engines.processes import ALONE, Place, find_place
from handloom.errors import ConfigError


def test_without_a_launcher_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert find_place({"RANK": "3"}) == Place(0, 1, 0, 1, 0)
    with joined() as processes:
        assert processes is ALONE
        assert processes.is_first
        assert processes.size == 1


def test_alone_everything_is_its_own() -> None:
    rows = object()
    assert ALONE.part(17) == slice(0, 17)
    assert ALONE.whole(rows, 17) is rows
    assert ALONE.spread(rows) is rows
    assert ALONE.device("cuda:1") == "cuda:1"
    assert ALONE.from_first(lambda: "a word") == "a word"
    with ALONE.in_turn():
        pass


def test_torchrun_tells_the_place() -> None:
    told = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert find_place(told | {"GROUP_RANK": "1"}) == Place(5, 8, 1, 4, 1)


def test_rank_and_size_alone_are_those_of_one_machine() -> None:
    assert find_place({"RANK": "1", "WORLD_SIZE": "2"}) == Place(1, 2, 1, 2, 0)


@pytest.mark.parametrize(
    "told",
    [
        {"WORLD_SIZE": "2"},
        {"WORLD_SIZE": "0", "RANK": "0"},
        {"WORLD_SIZE": "2", "RANK": "2"},
        {"WORLD_SIZE": "2", "RANK": "-1"},
        {"WORLD_SIZE": "two", "RANK": "0"},
        {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "2"},
    ],
)
def test_places_that_cannot_be_are_refused(told: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"WORLD_SIZE={told['WORLD_SIZE']}"):
        find_place(told)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 32, 100])
def test_parts_make_up_the_batch_and_differ_by_one_row_at_most(size: int, count: int) -> None:
    parts = [Place(rank, size).part(count) for rank in range(size)]
    assert [row for part in parts for row in range(part.start, part.stop)] == [*range(count)]
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1
