"""handloom compare: from runs and recipes to tables, files and a sentence."""

from __future__ import annotations

import csv
import json
import re
import signal
import time
from pathlib import Path

import pytest

from handloom.cli import comparison
from handloom.cli.comparison import cut
from handloom.run.results import open_run
from handloom.studies.compare.subjects import plan_row

IDLE = "optimizer.lr=1e-9"


@pytest.fixture
def idle(bars: Path) -> Path:
    """A recipe beside bars.toml that learns nothing."""
    path = bars.with_name("idle.toml")
    path.write_text(bars.read_text().replace("lr = 0.2", "lr = 1e-9"))
    return path


def test_recipes_over_seeds_are_trained_and_answered(bars, idle, handloom, elsewhere: Path) -> None:
    done = handloom("compare", bars, idle, "--seeds", "0,1,2", "--reach", "0.9")
    assert (done.code, done.err) == (0, "")
    assert "A bars" in done.out
    assert "B idle" in done.out
    assert "bars is better than idle by 0." in done.out
    assert "the difference is significant" in " ".join(done.out.split())
    assert "optimizer.lr: 0.2 (A), 1e-09 (B)" in done.out
    assert re.search(r"^name +runs +accuracy +95 % +loss +tests$", done.out, re.MULTILINE)
    assert len(list((elsewhere / "runs/compare").glob("*/seed-*/result.json"))) == 6


def test_a_table_that_some_do_not_have_is_told_once(bars, handloom) -> None:
    moved = bars.with_name("moved.toml")
    moved.write_text(bars.read_text() + "\n[augment]\nshift = 0.1\nrotate = 5\n")
    done = handloom("compare", bars, moved, "--no-pace")
    assert "  augment: none (A), told (B)\n" in done.out
    assert "augment.shift" not in done.out


def test_the_second_time_nothing_is_trained(bars, handloom, elsewhere: Path) -> None:
    first = handloom("compare", bars, "--seeds", "4,", "--no-pace")
    second = handloom("compare", bars, "--seeds", "4,", "--no-pace")
    assert re.search(r"^ +1/1 +[01]\.\d+ .*/seed-4$", first.out, re.MULTILINE)
    assert "/seed-4" not in second.out
    assert second.out.strip() in first.out
    assert "images/s" not in second.out


def test_json_is_the_comparison_and_nothing_else(bars, idle, handloom) -> None:
    done = handloom("compare", bars, idle, "--json")
    told = json.loads(done.out)
    assert [row["name"] for row in told["rows"]] == ["bars", "idle"]
    assert told["pairs"][0]["is_real"] is True
    assert told["part"] == "validation"


def test_quiet_prints_nothing_and_still_writes(bars, handloom, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = handloom("compare", bars, "-q", "--out", out)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert {path.name for path in out.iterdir()} == {
        "comparison.csv", "comparison.json", "comparison.md", "comparison.png", "comparison.tex",
    }  # fmt: skip
    assert (out / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_fails_leaves_the_tables(
    bars, handloom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(comparison: object) -> None:
        raise ValueError("no such font")

    monkeypatch.setattr("handloom.views.draw_comparison", fail)
    out = tmp_path / "out"
    done = handloom("compare", bars, "--json", "--out", out)
    assert done.code == 0
    assert done.err.endswith(
        f"handloom: warning: {out}: could not be drawn: comparison.png (no such font)\n"
    )
    assert json.loads(done.out) == json.loads((out / "comparison.json").read_text())


def test_what_is_written_is_what_is_printed(bars, handloom, elsewhere: Path) -> None:
    done = handloom("compare", bars, "--format", "markdown", "--out", "out")
    assert (done.code, done.err) == (0, "")
    assert done.out == (elsewhere / "out" / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("form", "begin"), [("markdown", "|  | name |"), ("csv", "name,seeds,"), ("latex", "% ")]
)
def test_a_table_for_a_file_has_the_output_to_itself(form: str, begin: str, bars, handloom) -> None:
    done = handloom("compare", bars, "--format", form, "--no-pace")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(begin)
    assert "train loss" not in done.out


def test_runs_are_compared_as_they_are(trained: Path, idle, handloom) -> None:
    handloom("train", idle, "--out", "runs/idle", "-q")
    done = handloom("compare", trained, "runs/idle", "--format", "csv")
    rows = list(csv.DictReader(done.out.splitlines()))
    assert [row["name"] for row in rows] == ["run", "idle"]
    assert float(rows[0]["accuracy"]) == open_run(trained).result["validation"]["accuracy"]


def test_a_look_at_the_test_part_is_counted_and_printed(trained: Path, handloom) -> None:
    told = json.loads(handloom("compare", trained, "--test", "--json").out)
    assert told["rows"][0]["runs"][0]["looks"] == 2
    assert open_run(trained).looks == 2
    again = handloom("compare", trained, "--test")
    assert re.search(r"^A run .* 3$", again.out, re.MULTILINE)


def test_no_look_is_spent_where_nothing_can_be_written(trained: Path, handloom) -> None:
    looks = open_run(trained).looks
    outcome = handloom("compare", trained, trained, "--test", "--out", trained / "recipe.toml")
    assert outcome.code == 2
    assert "recipe.toml: it is a file" in outcome.err
    assert open_run(trained).looks == looks


def test_a_row_fits_in_eighty_columns(bars, idle, handloom, monkeypatch) -> None:
    long = bars.with_name("a-recipe-whose-name-is-much-too-long-for-a-line.toml")
    long.write_text(bars.read_text())
    monkeypatch.setattr(comparison, "console", lambda: type("Screen", (), {"width": 80}))
    done = handloom("compare", long, idle, "--seeds", "0,1", "--reach", "0.99")
    tables = done.out.partition("\n\n")[2].partition("The recipes")[0]
    assert re.search(r"^A a-re\S*…\S* ", tables, re.MULTILINE)
    assert max(map(len, tables.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["digit"], "there is no recipe 'digit'; did you mean"),
        (["runs/none"], "runs/none is not a run folder"),
        (["."], "is not a run folder"),
        (["digits", "--seeds", "0,x"], "--seeds takes a count like 3, or different whole numbers"),
        (["digits", "--seeds", "1,1"], "--seeds takes a count like 3, or different whole numbers"),
        (["digits", "--reach", "97"], "up to 1, got 97"),
        (["digits", "-o", "optimizer.lr=fast"], "optimizer.lr"),
    ],
)
def test_a_mistake_is_told_in_a_line_before_any_training(
    arguments: list[str], told: str, handloom, elsewhere: Path
) -> None:
    done = handloom("compare", *arguments)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("flags", [["--seeds", "0,1"], ["-o", IDLE]])
def test_what_is_for_recipes_is_refused_of_runs(trained: Path, flags, handloom) -> None:
    done = handloom("compare", trained, *flags)
    assert done.code == 2
    assert "--seeds and -o are for recipes" in done.err


def test_a_termination_says_how_to_go_on(bars, start, handloom, elsewhere: Path) -> None:
    text = bars.read_text().replace("epochs = 3", "epochs = 100000")
    bars.write_text(text)
    (member,) = plan_row(bars, Path("runs/compare")).members
    process = start("compare", bars)
    while not member.path.joinpath("checkpoints/last.safetensors").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert err == "handloom: stopped; the same command resumes it\n"


def test_no_probability_is_parted_at_the_end_of_a_line() -> None:
    for ahead in range(60, 80):
        lines = comparison.wrapped(f"{'x' * ahead} p = 0.032; p < 0.0001").splitlines()
        assert all(not line.endswith(("p", "=", "<")) for line in lines)
        assert " ".join(map(str.strip, lines)).endswith("p = 0.032; p < 0.0001")


def test_a_long_name_keeps_both_its_ends() -> None:
    assert cut("mnist-mlp-1000-early-stopping", 12) == "mnist-…pping"
    assert cut("digits", 6) == "digits"
    assert all(len(cut("fashion-mlp-256", room)) == room for room in range(1, 16))
