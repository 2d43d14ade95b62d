"""The report of several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from handloom.errors import DataError, RunError
from handloom.recipes.flat import flattened
from handloom.report.asked import asked_terms, recipe_code, repeat_command, words_of
from handloom.report.blocks import (
    Block,
    Chart,
    Charts,
    Code,
    Fact,
    Facts,
    Page,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
)
from handloom.report.charts import epoch_chart, metric_series
from handloom.report.diagnosed import diagnosis_rows
from handloom.report.one_run import check_has_epochs
from handloom.report.pictures import pictures_of
from handloom.report.words import number, percent
from handloom.run.pictures import png_of
from handloom.run.results import Run
from handloom.studies.compare import Comparison, Group, compare
from handloom.studies.compare.figures import mark_of
from handloom.studies.compare.groups import WITHIN_A_GROUP, differing, grouped
from handloom.studies.compare.subjects import drawn
from handloom.studies.compare.tables import ACCURACY, cost_columns, legend
from handloom.views import draw_comparison

COLOURS = 8
MOST_SHOWN = 4
"""Rows up to which figures and diagnoses are shown; with more, only numbers and curves are."""
SIDE_BY_SIDE = ("weights-filters", "kernels", "confusion", "worst-mistakes")
METRICS = (
    ("Validation loss", "lower is better", "number", "val_loss"),
    ("Validation accuracy", "higher is better", "percent", "val_accuracy"),
    ("Train loss", "mean of the epoch", "number", "train_loss"),
    ("Train accuracy", "mean of the epoch", "percent", "train_accuracy"),
)


def runs_page(runs: Sequence[Run], data_dir: Path | None = None) -> Page:
    """The page of several runs; those whose recipes differ only in the seed make one row.

    Raises: RunError where no epoch of one has ended yet, ConfigError where one training is named
    twice.
    """
    for run in runs:
        check_has_epochs(run)
    groups = grouped(runs)
    title = " · ".join(group.name for group in groups[:4])
    title += f" and {len(groups) - 4} more" if len(groups) > 4 else ""
    sections = (
        Section("answer", "Results", "", tuple(_answer(groups, data_dir))),
        Section("asked", "Setup", "", tuple(_asked(groups))),
        Section("curves", "Training curves", "", tuple(_curves(groups))),
        Section("diagnosis", "Diagnosis", "", tuple(_diagnoses(groups, data_dir))),
        Section("ended", "Results by run", "", (_results(groups),)),
        Section("pictures", "Figures side by side", "", tuple(_pictures(groups))),
        Section("repeat", "Reproduce", "", tuple(_repeat(groups))),
    )
    kept = tuple(section for section in sections if section.blocks)
    return Page(f"Report of {len(runs)} runs", title, "", kept)


# -- the answer ------------------------------------------------------------------------------------


def _answer(groups: Sequence[Group], data_dir: Path | None) -> Iterator[Block]:
    try:
        comparison = compare(groups, pace=False, data_dir=data_dir)
    except (DataError, RunError) as error:
        yield Text((f"They cannot be compared image by image: {error}.",))
        return
    best = max(comparison.rows, key=lambda row: row.accuracy)
    interval = f"95 %: {percent(best.interval.low)} to {percent(best.interval.high)}"
    yield Facts(
        (Fact(f"best: {best.name}", percent(best.accuracy, best.spread), interval),), main=True
    )
    yield Text(comparison.answers)
    yield _table(comparison)
    yield Text((f"{legend(comparison)}.", *comparison.notes), is_aside=True)
    alt = "Accuracy against parameters and against seconds of training, each row by its letter."
    names = " · ".join(group.name for group in groups)
    if picture := png_of("comparison", names, lambda: draw_comparison(drawn(comparison))):
        yield Pictures((Picture("comparison", picture, alt, "Accuracy against cost"),))


def _table(comparison: Comparison) -> Table:
    columns = (*ACCURACY, *(c for c in cost_columns(None) if c.heading != "images/s"))
    rows = tuple(
        (row.name, row.mark, *(column.cell(row) for column in columns)) for row in comparison.rows
    )
    best = max(range(len(rows)), key=lambda place: comparison.rows[place].accuracy)
    headings = ("run", "", *(column.heading for column in columns))
    return Table("Comparison on the validation images", headings, rows, best=best)


def _results(groups: Sequence[Group]) -> Table:
    columns = ("run", "seed", "test accuracy", "test loss", "validation accuracy", "best epoch",
               "epochs", "seconds", "test evaluations")  # fmt: skip
    rows = tuple(_result_row(_name(group, run), run) for group in groups for run in group.runs)
    return Table("From each run's folder", columns, rows)


def _result_row(name: str, run: Run) -> tuple[str, ...]:
    seed = str(run.recipe.seed)
    if not run.is_finished:
        last = run.history.epochs[-1]
        accuracy = percent(last.get("val_accuracy"))
        return (name, seed, "–", "–", accuracy, "–", str(last["epoch"]), "not finished", "0")
    result: dict[str, Any] = run.result
    test = result.get("test", {})
    return (
        name,
        seed,
        percent(test["accuracy"]) if test else "–",
        number(test["loss"]) if test else "–",
        percent(result["validation"]["accuracy"]),
        str(result["best_epoch"]),
        str(result["epochs"]),
        f"{result['seconds']:,.1f}",
        str(run.looks),
    )


# -- what was asked --------------------------------------------------------------------------------


def _asked(groups: Sequence[Group]) -> Iterator[Block]:
    first = groups[0]
    differences = differing([group.runs[0].recipe for group in groups])
    if len(groups) == 1:
        yield Text(("The recipes differ only in their seeds:",))
    else:
        headings = ("key", *(f"{mark_of(n)} {group.name}" for n, group in enumerate(groups)))
        rows = tuple((key, *map(_told, values)) for key, values in differences.items())
        yield Table("Differences between the recipes", headings, rows)
        yield Text(("The rest is the same:",))
    yield asked_terms(first.runs[0], differing=[*differences, *_differing_within(groups)])


def _differing_within(groups: Sequence[Group]) -> Iterator[str]:
    """The keys that may differ within a row, where any two of all runs differ in them."""
    recipes = [flattened(run.recipe) for group in groups for run in group.runs]
    for key in WITHIN_A_GROUP:
        if any(recipe.get(key) != recipes[0].get(key) for recipe in recipes):
            yield key


def _told(value: Any) -> str:
    return "–" if value is None else words_of(value)


# -- curves and figures ---------------------------------------------------------------------------


def _curves(groups: Sequence[Group]) -> Iterator[Block]:
    """One line per run, the seeds of a row in one colour; none for imported weights."""
    charts: list[Chart] = []
    for title, note, unit, metric in METRICS:
        every = (
            metric_series(_name(group, run), run.history.epochs, metric, f"c{number % COLOURS}")
            for number, group in enumerate(groups)
            for run in group.runs
        )
        if series := tuple(each for each in every if each is not None):
            charts.append(epoch_chart(title, note, unit, series))
    if charts:
        yield Charts(tuple(charts))


def _name(group: Group, run: Run) -> str:
    return group.name if len(group.runs) == 1 else f"{group.name}, seed {run.recipe.seed}"


def _diagnoses(groups: Sequence[Group], data_dir: Path | None) -> Iterator[Block]:
    """The findings for each row's first run; none where rows are many, since it takes seconds."""
    if len(groups) > MOST_SHOWN:
        return
    rows = [row for group in groups for row in diagnosis_rows(group.name, group.runs[0], data_dir)]
    yield Table("The first run of each", ("run", "finding", "what to try"), tuple(rows))


def _pictures(groups: Sequence[Group]) -> Iterator[Block]:
    """The same figure for the first run of each row; none where rows are many."""
    if len(groups) > MOST_SHOWN:
        return
    for name in SIDE_BY_SIDE:
        found = tuple(
            picture._replace(caption=f"{group.name}: {picture.caption}")
            for group in groups
            for picture in pictures_of(group.runs[0].folder.figures, (name,))
            if group.runs[0].is_finished
        )
        if found:
            yield Pictures(found, abreast=True)


def _repeat(groups: Sequence[Group]) -> Iterator[Block]:
    for group in groups:
        for run in group.runs:
            code = recipe_code(run)
            yield Code(f"{_name(group, run)}: save the recipe below, then run", repeat_command(run))
            yield code._replace(folded=True, label=f"The recipe, {code.file_name}")
