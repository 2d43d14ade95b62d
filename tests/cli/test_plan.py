"""handloom recipes show --plan."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from handloom.cli import plan as shown
from handloom.loom.network.explain import Explanation, PieceLine, StageLine

pytest.importorskip("llvmlite")
SMALL = ["-o", "model.hidden=[12]", "--threads", "1", "--plan"]


@pytest.fixture
def lines(handloom) -> list[str]:
    outcome = handloom("recipes", "show", "mnist-mlp-1000", *SMALL)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out.splitlines()


def test_sizes_and_pace_come_first(lines: list[str]) -> None:
    sizes, memory, pace, *_ = lines
    assert re.fullmatch(
        r"32 images per step, in groups of \d+; 1 thread, vectors of \d+ values", sizes
    )
    assert " MB of weights and optimizer state, " in memory
    assert re.fullmatch(r"[\d,]+ µs per step, 1\.2 Mflop, \d+ Gflop/s", pace)


def test_pieces_name_the_layers_that_are_fused(lines: list[str]) -> None:
    (row,) = (line for line in lines if line.startswith("dense 784 → 12 "))
    assert row.split()[4:6] == ["12", "9,420"]
    assert row.endswith("1 Linear + 2 LeakyReLU")
    assert "Nothing to compute: 0 Flatten." in lines


def test_stages_stand_in_their_phases(lines: list[str]) -> None:
    heads = [line for line in lines if line.startswith("phase ")]
    assert heads == ["phase 1, shared", "phase 2, by groups", "phase 3, shared"]
    between = lines[lines.index(heads[1]) + 1 : lines.index(heads[2])]
    assert between[0].startswith("  gather, normalise ")
    assert between[-1].startswith("  dense 12 → 10 ")
    assert " errors below " in between[-1]


def test_shares_and_waiting_make_up_the_step(lines: list[str]) -> None:
    shares = [float(share) for line in lines for share in re.findall(r"([\d.]+)%", line)]
    assert sum(shares) == pytest.approx(100, abs=5), "rounded, and measured twice"
    assert any(line.startswith("between the stages ") for line in lines)
    assert max(map(len, lines)) <= 100


def test_a_program_is_told_all_of_it(handloom) -> None:
    told = json.loads(handloom("recipes", "show", "mnist-mlp-1000", *SMALL, "--json").out)
    assert [piece["parameters"] for piece in told["pieces"]] == [784 * 12 + 12, 12 * 10 + 10]
    assert told["pieces"][0]["layers"] == ["1", "2"]
    assert told["pieces"][0]["kinds"] == ["Linear", "LeakyReLU"]
    stage = told["stages"][0]
    assert (stage["piece"], stage["title"], stage["phase"]) == ("dense 12 → 10", "transpose", 1)
    assert told["threads"] == 1
    assert told["seconds"] > 0


def test_a_step_in_parts_tells_what_is_not_compiled(handloom) -> None:
    outcome = handloom("recipes", "show", "mnist-mlp-1000", *SMALL, "-o", "loss.name=mse")
    assert (outcome.code, outcome.err) == (0, "")
    assert (
        "Run by NumPy within the step, which is therefore not timed: the loss (mse), "
        in outcome.out
    )
    assert "1 Linear + 2 LeakyReLU" in outcome.out
    assert "µs" not in outcome.out


def test_the_number_of_threads_is_a_change_of_the_recipe(handloom) -> None:
    assert "threads = 3" in handloom("recipes", "show", "digits", "--threads", "3").out
    outcome = handloom("recipes", "show", "digits", "--threads", "0", "--plan")
    assert outcome.code == 2
    assert "training.threads" in outcome.err


# -- rows ------------------------------------------------------------------------------------------

PIECE = PieceLine("conv 1 → 2, 3×3", ("0", "1"), ("Conv2d", "ReLU"), (2, 3, 3), 20, 256, 512)
STAGE = StageLine(2, PIECE.title, ("0", "1"), "update 0.weight", False, 10**6, 500, 1e-5, 0.1)


def explanation(*stages: StageLine) -> Explanation:
    return Explanation([PIECE], (), (), 32, 16, 2, 16, 10**6, 10**6, 1e-4, stages)


def test_updates_of_one_piece_are_one_row() -> None:
    other = replace(STAGE, piece="dense", layers=("2",), title="update")
    plan = explanation(STAGE, replace(STAGE, title="update 0.bias"), other)
    (_, row, next_row, *_) = shown._stage_rows(plan)
    assert row == (
        "  conv 1 → 2, 3×3", "update", "2.00", "1.0", "20.0", "100", "20.0% ████████",
    )  # fmt: skip
    assert next_row[0] == "  dense"


def test_a_stage_that_no_step_spends_time_in_has_no_pace() -> None:
    other = replace(STAGE, layers=("2",), seconds=0.0, share=0.0)
    (_, _, row, *_) = shown._stage_rows(explanation(STAGE, other))
    assert row[4:] == ("0.0", "", " 0.0%")


def test_what_the_stages_leave_is_waiting() -> None:
    *_, waiting, whole = shown._stage_rows(explanation(STAGE))
    assert waiting[0] == "waiting for other threads"
    assert (waiting[4], waiting[-1]) == ("90.0", "90.0%")
    assert whole == ("the whole step", "", "1.00", "0.5", "100.0", "10", "")


@pytest.mark.parametrize(
    ("length", "bar"), [(8, "████████"), (4, "████"), (4.4, "████▍"), (0.01, ""), (0.0, "")]
)
def test_bars_grow_by_eighths_of_a_character(length: float, bar: str) -> None:
    assert shown._bar(length) == bar


def test_a_narrow_page_has_no_bars() -> None:
    (_, row, *_) = shown._stage_rows(explanation(STAGE), 0)
    assert row[-1] == "10.0%"
