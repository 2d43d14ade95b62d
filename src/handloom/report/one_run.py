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
TRAIN_AND_VALIDATION = "Train: the mean of an epoch, while learning. Validation: measured after it."
SAME_BITS = (
    "On the same machine, with as many threads, every bit of the weights comes out the same."
)
ON_GPU = (
    "It was trained on a GPU, which may add up sums in another order each time: trained again, the "
    "weights agree but for rounding."
)
ELSEWHERE = "The weights were trained elsewhere, and imported."
MISTAKES = ("confused-pairs", "worst-mistakes", "predictions")


def run_page(run: Run, data_dir: Path | None = None) -> Page:
    """The page of one run; of one that has not ended, as far as it has come.

    Raises: RunError where no epoch has ended yet.
    """
    check_has_epochs(run)
    lead = _repeatable(run) if run.history.epochs else ELSEWHERE
    sections = (
        answer_section(run),
        Section("asked", "What was asked", "", (asked_terms(run), network_table(run))),
        *training_sections(run, data_dir),
        Section("repeat", "To repeat it", lead, repeat_blocks(run)),
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
    """How the training went, what is the matter with it, and what its best weights do."""
    _draw_missing(run, data_dir)
    figures = run.folder.figures if run.is_finished else None
    sections = []
    if rows := run.history.epochs:
        charts = Charts(training_charts(run.history, run.recipe.training.monitor))
        blocks = (charts, epoch_table(rows))
        sections.append(Section("curves", "How the training went", TRAIN_AND_VALIDATION, blocks))
    sections += [
        Section("diagnosis", "Diagnosis", "", diagnosis_blocks(run, data_dir)),
        Section("classes", "Class by class", "", class_blocks(run, data_dir)),
    ]
    for key, title, names in (
        ("mistakes", "What it mistakes", MISTAKES),
        ("weights", "What it has learned", LEARNED),
        ("activations", "What happens inside", INSIDE),
    ):
        if figures is not None and (blocks := picture_blocks(figures, names)):
            sections.append(Section(key, title, "", blocks))
    return tuple(sections)


def _draw_missing(run: Run, data_dir: Path | None) -> None:
    """Draw the pictures of a finished run that has none, if its data are on this machine."""
    if not run.is_finished or (run.folder.figures / "curves.png").is_file():
        return
    try:
        parts = run.parts(data_dir)
    except (DataError, RunError):
        return  # the section of the classes says why
    session.draw_or_warn(run, parts)


# -- the answer ------------------------------------------------------------------------------------


def answer_section(run: Run) -> Section:
    """The figures of the best weights, and what they say, in words."""
    if not run.is_finished:
        return Section("answer", "So far", "", tuple(_interim(run)))
    facts = _figures(run)
    return Section("answer", "The answer", "", (*facts, Text(tuple(_sentences(run)))))


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
            Fact("looks at the test part", str(run.looks)),
        )
    )


def _sentences(run: Run) -> Iterator[str]:
    result, pictures = run.result, run.data["pictures"]
    if test := result.get("test"):
        right = round(test["accuracy"] * pictures["test"])
        low, high = wilson(right, pictures["test"])
        yield (
            f"It recognises {right:,} of {pictures['test']:,} test pictures; "
            f"{pictures['test'] - right:,} are taken for another class. On other pictures of the "
            f"kind, {percent(low)} to {percent(high)} can be expected (95 %, by Wilson)."
        )
    if run.looks > 1:
        yield (
            f"The test part has been looked at {run.looks} times: the more often, the less its "
            "figure says about pictures that nobody has seen."
        )
    if not run.history.epochs:
        yield ELSEWHERE
        return
    monitor = run.recipe.training.monitor
    watched = "accuracy was highest" if monitor.endswith("accuracy") else "loss was lowest"
    said, epochs = run.recipe.training.epochs, result["epochs"]
    early = f" It stopped by itself, {said} epochs had been allowed." if epochs < said else ""
    yield (
        f"The weights are those of epoch {result['best_epoch']} of {epochs}, where the validation "
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
            "The training has not ended, so the test part has not been looked at. "
            f"It goes on with: handloom train --resume {run.path}",
        )
    )


def _repeatable(run: Run) -> str:
    """What training the recipe again gives, by where PyTorch computed, if it did."""
    kept = run.folder.environment
    engine = " ".join(run.folder.read_json(kept).get("engine", ())) if kept.is_file() else ""
    on_gpu = run.recipe.engine == "torch" and any(name in engine for name in ("(cuda", "(mps)"))
    return ON_GPU if on_gpu else SAME_BITS
