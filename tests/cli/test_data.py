"""handloom data: the list of known sets, and what of them is here."""

from __future__ import annotations

import json

import pytest

from handloom import data
from handloom.data import CheckRow


def test_list_is_a_table_of_every_known_set(handloom) -> None:
    outcome = handloom("data", "list")
    names = [line.split()[0] for line in outcome.out.splitlines()[2:]]
    assert names == [entry.name for entry in data.describe_sets()]
    told = json.loads(handloom("data", "list", "--json").out)
    assert [entry["name"] for entry in told] == names
    assert told[1]["num_train"] == 60_000


def test_check_tells_of_every_file_and_fails_if_one_is_missing(handloom, tmp_path) -> None:
    outcome = handloom("data", "check", "mnist", "--data-dir", tmp_path / "nowhere")
    assert outcome.code == 2
    assert outcome.out.count("\n") == 2 + 4
    assert outcome.out.count(" missing ") == 4
    assert outcome.err.startswith("handloom: mnist: train-images-idx3-ubyte.gz, ")
    quiet = handloom("data", "check", "mnist", "--data-dir", tmp_path / "nowhere", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (2, "", outcome.err)


def test_check_of_what_is_whole(handloom, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [CheckRow("a.gz", tmp_path / "a.gz", "ok", "has the publisher's sha256")]
    monkeypatch.setattr(data, "check", lambda name, data_dir: rows)
    outcome = handloom("data", "check", "mnist")
    assert outcome.code == 0
    assert outcome.out.splitlines()[2].split() == [
        "a.gz",
        "ok",
        "has",
        "the",
        "publisher's",
        "sha256",
        str(tmp_path),
    ]
    told = json.loads(handloom("data", "check", "mnist", "--json").out)
    assert told == [
        {"file": "a.gz", "path": str(tmp_path / "a.gz"), "status": "ok", "detail": rows[0].detail}
    ]


def test_fetch_prints_where_the_files_are(
    handloom, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "a.gz", tmp_path / "b.gz"]
    monkeypatch.setattr(data, "fetch", lambda name, data_dir: paths)
    assert handloom("data", "fetch", "mnist").out.splitlines() == [str(path) for path in paths]
    assert handloom("data", "fetch", "mnist", "-q").out == ""
    told = json.loads(handloom("data", "fetch", "mnist", "--json").out)
    assert told == {"files": [str(path) for path in paths]}


def test_fetch_of_the_embedded_set_has_nothing_to_do(handloom) -> None:
    assert handloom("data", "fetch", "digits") == handloom("data", "fetch", "digits", "-q")


def test_an_unknown_set_is_guessed(handloom) -> None:
    outcome = handloom("data", "fetch", "fashion")
    assert outcome.code == 2
    assert "there is no known data set 'fashion'; did you mean fashion-mnist?" in outcome.err
