"""Who takes part, and in which environment."""

from __future__ import annotations

import pytest

from benchmarks.contestants import PEERS, Field
from benchmarks.job import Row
from handloom.errors import ConfigError


def test_a_peer_is_a_module_of_its_folder() -> None:
    assert {"jax", "numpy", "sklearn", "torch"} <= set(PEERS)
    assert not {"ours", "__main__", "__init__"} & set(PEERS)


def test_libraries_are_held_to_their_threads() -> None:
    for threads in (2, 1):
        row = Field(threads=2).contestant("torch", Row("PyTorch", threads))
        assert row.environment["OMP_NUM_THREADS"] == str(threads)


def test_avx2_is_said_to_everybody_in_its_own_words() -> None:
    field = Field(threads=1, isa="avx2")
    for family in ("ours", *PEERS):
        row = field.contestant(family, Row(family, 1, environment={"A": "1"}))
        assert row.environment["A"] == "1"
        assert row.environment["HANDLOOM_LOOM_TARGET"] == "avx2"
        assert row.environment["ATEN_CPU_CAPABILITY"] == "avx2"
        assert row.environment["OPENBLAS_CORETYPE"] == "Haswell"


def test_a_peer_may_have_an_interpreter_of_its_own() -> None:
    field = Field(threads=1, pythons={"jax": "/opt/jax/bin/python"})
    assert field.contestant("jax", Row("JAX", 1)).interpreter == "/opt/jax/bin/python"
    assert field.contestant("torch", Row("PyTorch", 1)).interpreter != "/opt/jax/bin/python"


def test_without_pytorch_the_numpy_engine_is_the_reference() -> None:
    exact, *rounded = Field(peers=()).references(relu_only=False)
    assert exact.family == "ours"
    assert exact.settings == {"engine": "numpy"}
    assert rounded == [exact]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"peers": ("caffe",)}, "caffe"),
        ({"pythons": {"caffe": "python"}}, "--python: no peer is called caffe"),
        ({"isa": "avx10"}, "avx10"),
        ({"threads": 0}, "0"),
        ({"threads": 100_000}, "--threads is 100000"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Field(**options)
