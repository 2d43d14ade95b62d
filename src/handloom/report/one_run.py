"""The report of one run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handloom.errors import DataError, RunError
from handloom.report.asked import asked_terms, network_table, repeat_blocks
from handloom.report.blocks import Block, Charts, Fact, Facts, Page, Section, Text
from handloom.report.charts import epoch_table, training_charts
from handloom.report.diagnosed import diagnosis_blocks
from handloom.report.judged import class_blocks
from handloom.report.pictures import picture_blocks
from handloom.report.words import duration, number, percent
from handloom.run import session
from handloom.run.results import Run
from handloom.studies.compare.intervals import wilson

LEARNED = ("weights-filters", "weights-filters-raw", "kernels", "weights-matrices")
INSIDE = ("activations", "activations-pair")
TRAIN_AND_VALIDATION = (
    "Train: mean over the epoch while the weights change. Validation: measured after the epoch."
)
SAME_BITS = (
    "On the same machine with the same number of threads, the weights are identical bit for bit."
)
ON_GPU = (
    "It was trained on a GPU, which may sum in a different order each time: trained again, the "
    "weights agree up to rounding."
)
ELSEWHERE = "The weights were trained elsewhere, and imported."
MISTAKES = ("confused-pairs", "worst-mistakes", "predictions")


def run_page(run: Run, data_dir: Path | None = None) -> Page:
    """The page of one run, finished or not.

    Raises: RunError where no epoch has ended yet.
    """
    check_has_epochs(run)
    lead = _repeatable(run) if run.history.epochs else ELSEWHERE
    sections = (
        answer_section(run),
        Section("asked", "Setup", "", (asked_terms(run), network_table(run))),
        *training_sections(run, data_dir),
        Section("repeat", "Reproduce", lead, repeat_blocks(run)),
    )
    title = run.path.absolute().name
    return Page("Report of a run", title, run.recipe.description, sections)


def check_has_epochs(run: Run) -> None:
    """Raise RunError where there is nothing to report yet; imported weights need no epochs."""
    if not run.history.epochs and not run.is_finished:
        raise RunError(
            f"{run.path}: no epoch has ended, so there is nothing to report: {run.what_to_do}"
        )


def training_sections(run: Run, data_dir: Path | None) -> tuple[Section, ...]:
    """Training curves, diagnosis, and what the best weights do."""
    _draw_missing(run, data_dir)
    figures = run.folder.figures if run.is_finished else None
    sections = []
    if rows := run.history.epochs:
        charts = Charts(training_charts(run.history, run.recipe.training.monitor))
        blocks = (charts, epoch_table(rows))
        sections.append(Section("curves", "Training curves", TRAIN_AND_VALIDATION, blocks))
    sections += [
        Section("diagnosis", "Diagnosis", "", diagnosis_blocks(run, data_dir)),
        Section("classes", "Metrics by class", "", class_blocks(run, data_dir)),
    ]
    for key, title, names in (
        ("mistakes", "Mistakes", MISTAKES),
        ("weights", "Weights", LEARNED),
        ("activations", "Activations", INSIDE),
    ):
        if figures is not None and (blocks := picture_blocks(figures, names)):
            sections.append(Section(key, title, "", blocks))
    return tuple(sections)


def _draw_missing(run: Run, data_dir: Path | None) -> None:
    """Draw the figures of a finished run that has none, if its data are on this machine."""
    if not run.is_finished or (run.folder.figures / "curves.png").is_file():
        return
    try:
        parts = run.parts(data_dir)
    except (DataError, RunError):
        return  # the section of the classes says why
    session.draw_or_warn(run, parts)


# -- the answer ------------------------------------------------------------------------------------


def answer_section(run: Run) -> Section:
    """The metrics of the best weights, and what they mean in words."""
    if not run.is_finished:
        return Section("answer", "Results so far", "", tuple(_interim(run)))
    facts = _figures(run)
    return Section("answer", "Results", "", (*facts, Text(tuple(_sentences(run)))))


def _figures(run: Run) -> Iterator[Block]:
    result = run.result
    main = [
        Fact(f"{part} accuracy", percent(told["accuracy"]), f"loss {number(told['loss'])}")
        for part in ("test", "validation")
        if (told := result.get(part))
    ]
    yield Facts(tuple(main), main=True)
    seconds = result["seconds"]
    yield Facts(
        (
            Fact("best epoch", str(result["best_epoch"]), f"of {result['epochs']}"),
            Fact("parameters", f"{result['parameters']:,}"),
            Fact("training", duration(seconds), f"engine {result['engine']}"),
            Fact("test-set evaluations", str(run.looks)),
        )
    )


def _sentences(run: Run) -> Iterator[str]:
    result, pictures = run.result, run.data["pictures"]
    if test := result.get("test"):
        right = round(test["accuracy"] * pictures["test"])
        low, high = wilson(right, pictures["test"])
        yield (
            f"It classifies {right:,} of {pictures['test']:,} test images correctly and "
            f"{pictures['test'] - right:,} wrongly. The 95 % confidence interval of the accuracy "
            f"is {percent(low)} to {percent(high)} (Wilson)."
        )
    if run.looks > 1:
        yield (
            f"The test set has been evaluated {run.looks} times. Every decision made on such a "
            "result makes it a less reliable estimate of the accuracy on new images."
        )
    if not run.history.epochs:
        yield ELSEWHERE
        return
    monitor = run.recipe.training.monitor
    watched = "accuracy was highest" if monitor.endswith("accuracy") else "loss was lowest"
    said, epochs = run.recipe.training.epochs, result["epochs"]
    early = f" Training stopped early; the limit was {said} epochs." if epochs < said else ""
    yield (
        f"The weights are from epoch {result['best_epoch']} of {epochs}, where the validation "
        f"{watched}.{early}"
    )


def _interim(run: Run) -> Iterator[Block]:
    rows, said = run.history.epochs, run.recipe.training.epochs
    last = rows[-1]
    yield Facts(
        (
            Fact(
                "validation accuracy",
                percent(last.get("val_accuracy")),
                f"loss {number(last.get('val_loss'))}",
            ),
            Fact("epochs", f"{len(rows)} of {said}"),
        ),
        main=True,
    )
    yield Text(
        (
            "The training has not finished, so the test set has not been evaluated. "
            f"Resume it with: handloom train --resume {run.path}",
        )
    )


def _repeatable(run: Run) -> str:
    """What training the recipe again gives, depending on the device that PyTorch used, if any."""
    kept = run.folder.environment
    engine = " ".join(run.folder.read_json(kept).get("engine", ())) if kept.is_file() else ""
    on_gpu = run.recipe.engine == "torch" and any(name in engine for name in ("(cuda", "(mps)"))
    return ON_GPU if on_gpu else SAME_BITS
