"""reproduce(): which experiments, where their runs are kept, what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import ConfigError, MissingExtraError
from handloom.studies.reproduce import EXPERIMENTS, choose, reproduce, reproduction
from handloom.studies.reproduce.experiment import Experiment, StudySubject


def test_all_are_chosen_or_those_that_are_named_in_the_order_of_the_table() -> None:
    assert choose(()) == list(EXPERIMENTS.values())
    names = ["mnist-lenet", "fashion-grid"]
    assert [row.name for row in choose(names)] == ["fashion-grid", "mnist-lenet"]


def test_an_unknown_name_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="there is no experiment 'mnist-lent'; the experiments are fash"
    ):
        reproduce(["mnist-lent"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("bars_twice")
def test_whole_and_reduced_are_kept_apart(tmp_path: Path) -> None:
    (reduced,) = reproduce(quick=True, out=tmp_path / "out")
    assert reduced.reduced == "training.epochs 2 instead of 3; seeds 1 instead of 3"
    (whole,) = reproduce(out=tmp_path / "out")
    assert whole.reduced == ""
    kept = {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").glob("*/*/seed-*")
    }
    assert kept == {f"quick/{width}/seed-0" for width in ("wide", "narrow")} | {
        f"whole/{width}/seed-{seed}" for width in ("wide", "narrow") for seed in (0, 1, 2)
    }
    assert whole.rows[0].spread is not None
    assert reduced.rows[0].spread is None


def test_what_a_missing_library_keeps_from_running_is_left_out(
    bars_twice: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    searched = Experiment("study", "A study", "report 0", StudySubject("mnist-gamma"))

    def missing(search: StudySubject, workshop: object) -> None:
        raise MissingExtraError("optuna is not installed")

    monkeypatch.setattr(reproduction, "search_all", missing)
    monkeypatch.setattr(reproduction, "EXPERIMENTS", {"study": searched, "bars": bars_twice})
    left_out, done = reproduce(quick=True, out=tmp_path / "out")
    assert left_out.remarks == {"left out": "optuna is not installed"}
    assert done.rows
