"""Weights as safetensors: anybody can read them, and whatever a file claims is looked at first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save
from safetensors.torch import save_file

from handloom.data import Normalisation
from handloom.errors import CheckpointError, RunError
from handloom.exchange import PortableClassifier, weights_file
from handloom.exchange.weights_file import read_weights, write_weights


def test_anybody_can_read_it(classifier: PortableClassifier, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_weights(path, classifier)
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
    own = classifier.network.state_dict()
    assert tensors.keys() == own.keys()
    for name, array in own.items():
        np.testing.assert_array_equal(tensors[name], array)
        assert tensors[name].dtype == np.float32
    assert about["format"] == "pt"
    assert about["handloom_format"] == "1"
    assert about["name"] == "a run"
    assert about["recipe"] == classifier.recipe
    assert tuple(json.loads(about["class_names"])) == classifier.class_names
    assert json.loads(about["image_shape"]) == [2, 7, 6]
    assert Normalisation.from_json(json.loads(about["normalisation"])) == classifier.normalisation


def test_what_was_written_is_read(classifier: PortableClassifier, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_weights(path, classifier)
    read = read_weights(path)
    assert read.metadata == {"format": "pt", **classifier.about()}
    assert list(read.tensors) == sorted(classifier.network.state_dict())
    for name, array in classifier.network.state_dict().items():
        np.testing.assert_array_equal(read.tensors[name], array)


def test_the_same_classifier_gives_the_same_bytes(make_classifier: Any, tmp_path: Path) -> None:
    classifier = make_classifier(class_names=("größer", "大", "🙂"))
    written = set()
    for number in range(8):  # the library's own order of metadata is another one each time
        path = tmp_path / f"{number}.safetensors"
        write_weights(path, classifier)
        written.add(path.read_bytes())
        assert read_weights(path).metadata == {"format": "pt", **classifier.about()}
    assert len(written) == 1


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, np.float32), (torch.float16, np.float32), (torch.float32, np.float32),
        (torch.float64, np.float64), (torch.int64, np.int64), (torch.uint8, np.uint8),
    ],
)  # fmt: skip
def test_every_number_that_pytorch_saves(
    dtype: torch.dtype, expected: type, tmp_path: Path
) -> None:
    tensor = (torch.arange(12).reshape(3, 4) * 1.625).to(dtype)
    save_file({"a": tensor, "scalar": tensor[1, 1].clone()}, tmp_path / "net.safetensors")
    read = read_weights(tmp_path / "net.safetensors")
    for name, values in (("a", tensor), ("scalar", tensor[1, 1])):
        assert read.tensors[name].dtype == expected
        np.testing.assert_array_equal(read.tensors[name], values.to(torch.float64).numpy())


def refuse(path: Path, *told: str) -> None:
    with pytest.raises(CheckpointError) as refused:
        read_weights(path)
    for part in (path.name, *told):
        assert part in str(refused.value)


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    for name, how in (("new.pt", {}), ("old.pt", {"_use_new_zipfile_serialization": False})):
        torch.save({"a": torch.ones(2), "b": Bomb()}, tmp_path / name, **how)
        refuse(
            tmp_path / name,
            "a pickle, which is a program and never read",
            "safetensors.torch.save_file(",
        )
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("length", [0x80, 0x4B50])  # a pickle's first byte; "PK", as in zip
def test_a_header_whose_length_looks_like_a_pickle(length: int, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    tensors = {"a": np.arange(3, dtype=np.float32)}
    spare = length - int.from_bytes(save(tensors, {"text": ""})[:8], "little")
    path.write_bytes(save(tensors, {"text": "x" * spare}))
    assert int.from_bytes(path.read_bytes()[:8], "little") == length
    np.testing.assert_array_equal(read_weights(path).tensors["a"], tensors["a"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data[:20],
        lambda data: b"",
        lambda data: (2**62).to_bytes(8, "little") + data[8:],
        lambda data: data.replace(b'"F32"', b'"F33"', 1),
        lambda data: data.replace(b"[0,", b"[4,", 1),
        lambda data: b"PNG" + data,
    ],
)
def test_a_damaged_file(spoil: Any, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(spoil(save({"a": np.ones(3, np.float32), "b": np.ones(2, np.float32)})))
    refuse(path, "is not a safetensors file, or damaged")


def test_what_is_no_file(tmp_path: Path) -> None:
    refuse(tmp_path / "nowhere", "does not exist")
    refuse(tmp_path, "cannot read", "Is a directory")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_numbers_that_are_not_finite(dtype: torch.dtype, value: float, tmp_path: Path) -> None:
    save_file({"0.weight": torch.tensor([1, value], dtype=dtype)}, tmp_path / "net.safetensors")
    refuse(tmp_path / "net.safetensors", "0.weight contains numbers that are not finite")


def test_a_type_that_is_no_number_of_ours(tmp_path: Path) -> None:
    save_file({"mask": torch.tensor([True])}, tmp_path / "net.safetensors")
    refuse(tmp_path / "net.safetensors", "mask has the type BOOL; save it as float32")


def test_a_file_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_file, "MAX_BYTES", 100)
    save_file({"a": torch.ones(30)}, tmp_path / "net.safetensors")
    refuse(tmp_path / "net.safetensors", "bytes; at most 100 are read")


def test_a_folder_that_is_not_there(classifier: PortableClassifier, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        write_weights(tmp_path / "nowhere" / "net.safetensors", classifier)


def test_metadata_that_are_null_are_none(tmp_path: Path) -> None:
    header = b'{"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    header += b" " * (-len(header) % 8)
    (path := tmp_path / "a.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + b"\0" * 4
    )
    assert read_weights(path).metadata == {}
