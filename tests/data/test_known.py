"""The table of known sets: complete, consistent, and each entry with its source."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from urllib.parse import urlsplit

import pytest

from handloom.data.known.names import (
    KnownFile,
    KnownSet,
    known_set,
    known_sets,
    owner_of,
    owner_of_size,
)
from handloom.errors import ConfigError

FILES = [(known, file) for known in known_sets().values() for file in known.files]
NAMES = [f"{known.name}/{file.name}" for known, file in FILES]


@pytest.mark.parametrize("known", known_sets().values(), ids=known_sets())
def test_a_set_is_complete(known: KnownSet) -> None:
    kinds = [
        re.search(r"(train|t10k|test)-(images|labels)-idx", file.name).groups()
        for file in known.files
    ]
    assert [(part == "train", what) for part, what in kinds] == [
        (True, "images"),
        (True, "labels"),
        (False, "images"),
        (False, "labels"),
    ]
    assert len(set(known.class_names)) == len(known.class_names) >= 10
    assert all((known.title, known.description, known.licence))
    assert urlsplit(known.page).netloc


@pytest.mark.parametrize(("known", "file"), FILES, ids=NAMES)
def test_a_file_has_a_hash_and_two_secure_mirrors(known: KnownSet, file: KnownFile) -> None:
    assert re.fullmatch("[0-9a-f]{64}", file.sha256)
    assert file.unpacked_sha256 is None or re.fullmatch("[0-9a-f]{64}", file.unpacked_sha256)
    assert file.name.endswith(".gz")
    assert 0 < file.num_bytes < 100_000_000
    assert len({urlsplit(url).netloc for url in file.mirrors}) == len(file.mirrors) >= 2
    for url in file.mirrors:
        assert urlsplit(url).scheme == "https"
        assert url.endswith("/" + file.name)


def test_every_set_names_the_sources_of_its_hashes_and_mirrors() -> None:
    text = files("handloom.data.known").joinpath("known.toml").read_text(encoding="utf-8")
    comments = re.findall(r"^\[([\w-]+)\]\n((?:#.*\n)+)", text, flags=re.MULTILINE)
    assert [name for name, _ in comments] == list(known_sets())
    for _, comment in comments:
        assert "Hashes" in comment
        assert "irrors" in comment
        assert re.search(r" @ [0-9a-f]{8}|as emnist-balanced", comment)


def test_no_two_files_have_the_same_hash_or_length() -> None:
    hashes = Counter(
        sha256
        for _, file in FILES
        for sha256 in (file.sha256, file.unpacked_sha256)
        if sha256 is not None
    )
    lengths = Counter(file.num_bytes for _, file in FILES)
    assert max(hashes.values()) == max(lengths.values()) == 1


def test_a_hash_or_a_length_tells_whose_file_it_is() -> None:
    file = known_set("mnist").files[2]
    told = "MNIST's t10k-images-idx3-ubyte"
    assert owner_of(file.sha256) == owner_of(file.unpacked_sha256) == told
    assert owner_of_size(file.num_bytes) == told
    assert owner_of("0" * 64) is owner_of_size(1) is None


def test_spellings_put_the_publishers_own_first() -> None:
    assert known_set("mnist").files[1].spellings() == (
        "train-labels-idx1-ubyte.gz",
        "train-labels.idx1-ubyte.gz",
        "train-labels-idx1-ubyte",
        "train-labels.idx1-ubyte",
    )


def test_an_unknown_name_is_guessed() -> None:
    with pytest.raises(
        ConfigError, match=r"data set 'mnits'; did you mean mnist\? known: digits, m"
    ):
        known_set("mnits")
