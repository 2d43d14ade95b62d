"""The study's folder: a trial is claimed by one, however many want it at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from handloom.errors import InUseError, RunError
from handloom.run import RunLock
from handloom.studies.search import open_study
from handloom.studies.search.folder import StudyFolder, TrialFolder, TrialRecord


def test_of_many_processes_one_gets_the_claim(tmp_path: Path) -> None:
    import multiprocessing

    pool = multiprocessing.get_context("spawn").Pool(2)
    with pool:
        for round_number in range(5):
            path = tmp_path / f"trials/key-{round_number}"
            claims = pool.starmap(_claim, [(path, number) for number in range(6)])
            assert sum(claims) == 1
            assert TrialFolder(path).read().number == claims.index(True)
    pool.join()
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == [
        f"key-{number}" for number in range(5)
    ]


def _claim(path: Path, number: int) -> bool:
    return TrialFolder(path).claim(TrialRecord(number, {"optimizer.lr": 0.1}))


def test_what_only_looks_like_a_run_of_a_seed_is_none(tmp_path: Path) -> None:
    trial = TrialFolder(tmp_path / "key")
    for name in (
        "seed-2",
        "seed-0",
        "seed-10",
        "seed-x",
        "seed-",
        "seed--1",
        "seed-01",
        "seed-2 (copy)",
    ):
        trial.path.joinpath(name).mkdir(parents=True)
        trial.path.joinpath(name, "recipe.toml").touch()
    assert trial.begun_seeds() == [0, 2, 10]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path).trial("a")
    record = TrialRecord(3, {"optimizer.lr": 0.1, "model.hidden": [8, 4]})
    assert folder.claim(record)
    assert folder.read() == record
    ended = TrialRecord(3, record.parameters, "pruned", "too slow")
    folder.write(ended)
    assert folder.read() == ended
    assert [trial.key for trial in StudyFolder(tmp_path).trials()] == ["a"]
    (folder.path / "trial.json").write_text("{")
    with pytest.raises(RunError, match=r"trial.json cannot be read"):
        folder.read()


def test_a_record_that_counted_from_0_is_read_as_the_others(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    trial = folder.trial("a")
    trial.path.mkdir(parents=True)
    (trial.path / "trial.json").write_text('{"number": 7, "parameters": {}, "ended": "failed"}')
    assert trial.read() == TrialRecord(8, {}, "failed")
    assert folder.next_number() == 9
    trial.write(trial.read())
    assert trial.read().number == 8
    (trial.path / "trial.json").write_text('{"parameters": {}}')
    with pytest.raises(RunError, match=r"trial.json is damaged: it has no 'trial'"):
        trial.read()


def test_a_half_made_trial_is_none(tmp_path: Path) -> None:
    (tmp_path / "trials/.claim-host-1").mkdir(parents=True)
    (tmp_path / "trials/.claim-host-1/trial.json").write_text("{}")
    assert StudyFolder(tmp_path).trials() == []


def test_one_at_a_time_may_claim(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    with folder.claiming(), pytest.raises(InUseError), folder.claiming():
        raise AssertionError("two hold it")


def test_a_token_is_made_once(tmp_path: Path) -> None:
    tokens: list[str] = []
    threads = [
        threading.Thread(target=lambda: tokens.append(StudyFolder(tmp_path).token()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (tmp_path / "other").mkdir()
    assert len({token for token in tokens if token}) == 1
    assert StudyFolder(tmp_path / "other").token() != StudyFolder(tmp_path).token()


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a study: it has no study"):
        open_study(tmp_path)


def test_a_token_is_made_once_and_long_enough(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    token = folder.token()
    assert len(token) == 16  # eight bytes, in hexadecimal
    assert int(token, 16) >= 0
    assert folder.token() == token


def test_who_claims_holds_the_folder_of_the_trials(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    with folder.claiming():
        assert {path.name for path in tmp_path.iterdir()} == {"trials"}
        with pytest.raises(InUseError), RunLock(tmp_path / "trials"):
            raise AssertionError("two hold it")
