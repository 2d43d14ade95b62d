"""What each image of a study shows, and that any study can be drawn."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_made import EVERY, NAMES, all_alike, grid, only_running, search

from handloom.views import (
    Importance,
    Parameter,
    Trial,
    Trials,
    draw_heat_map,
    draw_parallel,
    draw_slices,
    draw_study,
    heat_map,
    parallel,
    png,
    search_history,
    slices,
    study_figures,
    study_trials,
    trial_curves,
)


def optuna_study(trials: Trials) -> Any:
    """The same trials as a study of Optuna's."""
    optuna = pytest.importorskip("optuna")
    kinds = optuna.trial.TrialState
    states = {
        "complete": kinds.COMPLETE,
        "pruned": kinds.PRUNED,
        "failed": kinds.FAIL,
        "running": kinds.RUNNING,
    }
    direction = "maximize" if trials.is_maximised else "minimize"
    study = optuna.create_study(direction=direction)
    for trial in trials.trials:
        rate = trial.parameters["optimizer.lr"]
        study.add_trial(
            optuna.trial.create_trial(
                state=states[trial.state],
                params={"lr": rate},
                distributions={"lr": optuna.distributions.FloatDistribution(1e-5, 10, log=True)},
                value=trial.value if trial.state == "complete" else None,
            )
        )
    return study


def drawn_by_optuna(name: str, study: Any) -> Any:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as pictures

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = getattr(pictures, name)(study)
    pyplot.close(axes.figure)
    return axes


@pytest.mark.parametrize("trials", [grid(), search(40)], ids=["grid", "search"])
def test_the_history_is_optunas(trials: Trials) -> None:
    axes = drawn_by_optuna("plot_optimization_history", optuna_study(trials))
    (best,) = axes.lines
    points = np.asarray(axes.collections[0].get_offsets())
    history = search_history(trials)
    done = history.is_complete
    np.testing.assert_allclose(history.numbers[done] - 1, points[:, 0])
    np.testing.assert_allclose(history.values[done], points[:, 1])
    theirs = np.asarray(best.get_ydata(), np.float64)  # infinite before the first
    np.testing.assert_allclose(history.best_so_far, np.where(np.isinf(theirs), math.nan, theirs))


def test_a_slice_is_optunas() -> None:
    trials = search(40)
    axes = drawn_by_optuna("plot_slice", optuna_study(trials))
    points = np.asarray(axes.collections[0].get_offsets())
    (of_rate,) = (one for one in slices(trials) if one.parameter.name == "optimizer.lr")
    rates = [of_rate.parameter.value_at(place) for place in of_rate.places]
    np.testing.assert_allclose(rates, points[:, 0])
    np.testing.assert_allclose(of_rate.values, points[:, 1])


def test_the_history_holds_what_was_pruned_and_leaves_gaps() -> None:
    states = [
        (0.5, "complete"),
        (0.9, "pruned"),
        (0.8, "failed"),
        (0.7, "running"),
        (0.6, "complete"),
    ]
    trials = [Trial("", {}, value, state=state) for value, state in states]
    history = search_history(study_trials("s", "val_accuracy", trials, is_maximised=True))
    np.testing.assert_array_equal(history.values, [0.5, 0.9, math.nan, math.nan, 0.6])
    np.testing.assert_array_equal(history.best_so_far, [0.5, 0.5, 0.5, 0.5, 0.6])


def test_levels_have_their_medians_and_their_trials_side_by_side() -> None:
    trials = grid()
    of_hidden, of_rate, _ = slices(trials)
    low, high = trials.values[:6], trials.values[6:]
    np.testing.assert_allclose(of_hidden.medians, [np.median(low), np.median(high)])
    assert len(set(of_hidden.places)) == 12
    assert (of_hidden.places[:6] < 0.5).all()
    assert (of_hidden.places[6:] > 0.5).all()
    assert of_rate.parameter.levels == (0.005, 0.01, 0.1)
    assert of_rate.best == trials.best


def test_parallel_lines_go_from_worst_to_best_and_say_what_is_not_set() -> None:
    trials = search(60)
    drawn = parallel(trials)
    assert list(drawn.values) == sorted(trials.values[np.isfinite(trials.values)], reverse=True)
    assert drawn.quality[-1] == 1
    names = [parameter.name for parameter in drawn.parameters]
    momentum, rule = names.index("optimizer.momentum"), names.index("optimizer.name")
    levels = drawn.parameters[rule].levels
    is_plain = (drawn.places[:, rule] * 2).astype(int) == levels.index("sgd")
    np.testing.assert_array_equal(np.isnan(drawn.places[:, momentum]), is_plain)


def test_the_last_of_the_parallel_lines_is_the_first_of_equals() -> None:
    trials = [Trial(str(rate), {"lr": rate}, 0.5) for rate in (1, 2, 3)]
    made = study_trials("s", "val_accuracy", trials, is_maximised=True)
    assert made.best == 0
    drawn = parallel(made)
    assert drawn.places[-1, 0] == made.places(made.parameters[0])[0]


def test_a_cell_of_the_heat_map_holds_the_best_of_its_trials() -> None:
    trials = grid()
    hidden, rate, _ = trials.parameters
    heat = heat_map(trials, hidden, rate)
    assert heat is not None
    by_hand = trials.values.reshape(2, 3, 2).max(axis=2).T[::-1]  # rates were tried from above
    np.testing.assert_array_equal(heat.values, by_hand)
    assert (heat.counts == 2).all()
    assert heat.best == (2, 1)


def test_a_scale_is_cut_into_equal_shares() -> None:
    exponents = (0.0, -0.3, -1.2, -2.6, -4.0)
    told = [({"lr": 10.0**exponent, "n": 0}, -exponent) for exponent in exponents]
    told += [({"lr": 1.0, "n": 1}, 0.05), ({"n": 1}, 0.0), ({"lr": 1.0, "n": 1}, math.nan)]
    made = study_trials(
        "s",
        "val_loss",
        [Trial("", parameters, value) for parameters, value in told],
        is_maximised=False,
        scales={"lr": "log"},
    )
    rate, number = made.parameters
    heat = heat_map(made, rate, number)
    assert heat is not None
    assert heat.counts.tolist() == [[1, 0, 1, 0, 0, 1, 0, 2], [0, 0, 0, 0, 0, 0, 0, 1]]
    np.testing.assert_array_equal(heat.values[0, [0, 2, 5, 7]], [4.0, 2.6, 1.2, 0.0])
    assert heat.best == (0, 7)
    assert heat_map(made, Parameter("x", "choice", (1,)), number) is None


def test_curves_are_one_a_seed_with_the_best_trial_last() -> None:
    trials = grid()
    drawn = trial_curves(trials)
    assert len(drawn) == 24
    assert [curve.is_best for curve in drawn] == [False] * 22 + [True] * 2
    assert {curve.trial for curve in drawn[-2:]} == {trials.best}
    qualities = [curve.quality for curve in drawn]
    assert qualities == sorted(qualities)


def texts(figure: Any) -> str:
    inside = [text for axes in figure.axes for text in axes.texts]
    return "\n".join(text.get_text() for text in [*figure.texts, *inside])


def test_pictures_tell_the_best_in_words() -> None:
    importance = Importance(("optimizer.lr", "model.hidden"), (0.6, 0.3))
    told = {name: texts(figure) for name, figure in study_figures(grid(), importance)}
    for name in told.keys() - {"importance"}:
        assert "Best: hidden 256-128, lr 0.1, weight_decay 0:" in told[name].replace("\n", " "), (
            name
        )
    assert "94.00 %" in told["history"]
    assert "60.0 %" in told["importance"]
    assert "10.0 %" in told["importance"]  # the rest
    assert "optimizer.lr" in told["heat-map"]
    assert "weight_decay" not in told["heat-map"].partition("The frame")[2]


@pytest.mark.parametrize("made", EVERY, ids=NAMES)
def test_any_study_can_be_drawn(made: Callable[[], Trials], tmp_path: Path) -> None:
    empty: dict[str, str] = {}
    files = draw_study(made(), tmp_path / "figures", on_empty=empty.__setitem__)
    drawn = [file.stem for file in files]
    assert sorted([*drawn, *empty]) == [
        "curves", "heat-map", "history", "importance", "parallel", "slices",
    ]  # fmt: skip
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == set(drawn)
    assert all(why.endswith(".") for why in empty.values())
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


@pytest.mark.parametrize("draw", [draw_parallel, draw_heat_map])
def test_the_same_trials_give_the_same_bytes(draw: Callable[[Trials], Any]) -> None:
    assert png(draw(search(4))) == png(draw(search(4)))


def test_no_text_leaves_its_page() -> None:
    """Of long names as well: they are cut, or the page is wider."""
    long = "model.a_name_that_is_so_long_that_no_column_has_room_for_it"
    rates = {f"{long}_{n}": "a value as long as that, or longer" for n in range(3)}
    trials = [Trial(str(n), dict.fromkeys(rates, f"{n} {long}"), 0.5 + n / 10) for n in range(9)]
    made = study_trials("study " * 16, "val_accuracy", trials, is_maximised=True)
    importance = Importance(tuple(rates), (0.5, 0.2, 0.1))
    for name, figure in study_figures(made, importance):
        figure.draw_without_rendering()
        width, height = figure.get_size_inches() * figure.dpi
        inside = [text for axes in figure.axes for text in axes.texts]
        for text in [*figure.texts, *inside]:
            box = text.get_window_extent()
            assert box.x0 >= -1, (name, text.get_text())
            assert box.x1 <= width + 1, (name, text.get_text())
            assert box.y0 >= -1, (name, text.get_text())
            assert box.y1 <= height + 1, (name, text.get_text())


def box_of(text: Any) -> Any:
    """Where it is written: of a text that stands in the second line only that one."""
    from matplotlib.transforms import Bbox

    box = text.get_window_extent()
    if not text.get_text().startswith("\n"):
        return box
    return Bbox.from_extents(box.x0, box.y0, box.x1, (box.y0 + box.y1) / 2)


def test_values_under_a_slice_touch_neither_each_other_nor_the_next_title() -> None:
    words = ["gelu", "sigmoid", "leaky-relu", "relu", "another-one", "tanh"]
    few = [{"model.activation": word, "b": n, "c": n} for n, word in enumerate(words)]
    long = [{"a": f"{n} {'word ' * 9}", "b": n, "c": n, "d": n} for n in range(4)]
    for told in (few, long):
        trials = [Trial("", parameters, n / 10) for n, parameters in enumerate(told)]
        made = study_trials("s", "val_accuracy", trials, is_maximised=True)
        figure = draw_slices(made)
        figure.draw_without_rendering()
        labels = [label for axes in figure.axes for label in axes.get_xticklabels()]
        boxes = [box_of(text) for text in [*labels, *figure.texts] if text.get_text()]
        for one, other in itertools.combinations(boxes, 2):
            assert not one.overlaps(other)


def test_long_lists_are_named_as_they_are() -> None:
    trials = search(60)
    assert trials.best is not None
    hidden = trials.trials[trials.best].parameters["model.hidden"]
    told = texts(draw_slices(trials))
    assert f"hidden {'-'.join(map(str, hidden))}" in " ".join(told.split())
    assert "hidden.0" in texts(draw_parallel(trials))


@pytest.mark.parametrize("trials", [only_running(), all_alike()], ids=["running", "alike"])
def test_what_cannot_be_seen_is_said(trials: Trials) -> None:
    for name, figure in study_figures(trials):
        if not figure.axes:
            assert len(texts(figure)) > 40, name
