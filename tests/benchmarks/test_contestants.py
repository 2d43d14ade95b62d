"""Who takes part, and in which configurations."""

from __future__ import annotations

import pytest

from benchmarks.contestants import AS_IT_COMES, Field, is_tuned
from benchmarks.workloads import chosen
from handloom.errors import ConfigError

MLP, LENET, INFERENCE = chosen(["W1", "W4", "W6-lenet-1"])


def test_ours_run_on_all_threads_and_on_one() -> None:
    ours = [(row.name, row.threads) for row in Field(threads=4).ours()]
    assert ours == [("handloom loom", 4), ("handloom loom", 1), ("handloom numpy", 4)]
    assert len(Field(threads=1).ours()) == 2


def test_libraries_are_held_to_their_threads() -> None:
    for row in (*Field(threads=2).ours(), *Field(threads=2).torch_eager(LENET)):
        assert row.environment["OMP_NUM_THREADS"] == str(row.threads)


def test_pytorch_is_tried_in_every_combination() -> None:
    field = Field(threads=2)
    assert len(field.torch_eager(MLP)) == 3 * 2 * 2  # optimizers, threads, allocators
    assert len(field.torch_eager(LENET)) == 2 * 3 * 2 * 2  # and layouts
    assert len(field.torch_eager(INFERENCE)) == 2 * 2 * 2
    names = {(row.name, row.threads) for row in field.torch_eager(LENET)}
    assert len(names) == 24
    assert ("PyTorch eager, channels-last, fused, tuned allocator", 2) in names
    assert (AS_IT_COMES, 2) in names


def test_the_compilers_of_pytorch_are_tried_too() -> None:
    field = Field(threads=1)
    assert {row.name for row in field.torch_compiled(MLP)} == {
        "PyTorch compiled, fused, tuned allocator",
        "PyTorch compiled, fused",
    }
    assert any(row.settings.get("trace") for row in field.torch_compiled(INFERENCE))


def test_the_tuned_allocator_is_an_environment() -> None:
    tuned = [row for row in Field(threads=1).torch_eager(MLP) if is_tuned(row)]
    assert len(tuned) == 3
    assert all("tuned allocator" in row.name for row in tuned)


def test_avx2_is_said_to_everybody_in_its_own_words() -> None:
    field = Field(threads=1, isa="avx2")
    rows = (*field.ours(), *field.others(), *field.torch_eager(MLP), *field.roofers())
    for row in rows:
        assert row.environment["HANDLOOM_LOOM_TARGET"] == "avx2"
        assert row.environment["ATEN_CPU_CAPABILITY"] == "avx2"
        assert row.environment["OPENBLAS_CORETYPE"] == "Haswell"


def test_only_peers_that_are_asked_for() -> None:
    assert [row.family for row in Field(peers=("numpy",)).others()] == ["numpy"]
    assert Field(peers=()).others() == []
    exact, *rounded = Field(peers=()).references(relu_only=False)
    assert exact.family == "ours"
    assert exact.settings == {"engine": "numpy"}
    assert rounded == [exact]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"peers": ("tensorflow",)}, "tensorflow"),
        ({"isa": "avx10"}, "avx10"),
        ({"threads": 0}, "0"),
        ({"threads": 100_000}, "--threads is 100000"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Field(**options)
