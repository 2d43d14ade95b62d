"""The report of one run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handloom import session
from handloom.errors import DataError, RunError
from handloom.report.asked import asked_terms, network_table, question_of, repeat_blocks
from handloom.report.blocks import Block, Charts, Fact, Facts, Page, Pictures, Section, Text
from handloom.report.charts import epoch_table, training_charts
from handloom.report.judged import class_blocks
from handloom.report.pictures import pictures_of
from handloom.results import Run
from handloom.runs import RunFolder

LEARNED = ("weights-filters", "kernels", "weights-matrices")
INSIDE = ("activations", "activations-pair")
MISTAKES = ("confused-pairs", "worst-mistakes", "predictions")


def run_page(run: Run, data_dir: Path | None = None) -> Page:
    """The page of one run; of one that has not ended, as far as it has come.

    Raises: RunError where no epoch has ended yet.
    """
    if not run.history.epochs:
        raise RunError(
            f"{run.path}: no epoch has ended yet, so there is nothing to report; "
            f"go on with: handloom train --resume {run.path}"
        )
    _draw_missing(run, data_dir)
    sections = tuple(section for section in _sections(run, data_dir) if section.blocks)
    return Page("Report of a run", title_of(run), question_of(run.recipe), sections)


def title_of(run: Run) -> str:
    """The name of its folder."""
    return run.path.absolute().name


def _sections(run: Run, data_dir: Path | None) -> Iterator[Section]:
    yield answer_section(run)
    yield Section("asked", "What was asked", "", (asked_terms(run), network_table(run)))
    yield Section(
        "curves",
        "How the training went",
        "Train: the mean of an epoch, while learning. Validation: measured after it.",
        (
            Charts(training_charts(run.history, run.recipe.training.monitor)),
            epoch_table(run.history.epochs),
        ),
    )
    yield Section("classes", "Class by class", "", class_blocks(run, data_dir))
    figures = run.folder.figures if run.is_finished else None
    for key, title, names in (
        ("mistakes", "What it mistakes", MISTAKES),
        ("weights", "What it has learned", LEARNED),
        ("activations", "What happens inside", INSIDE),
    ):
        drawn = () if figures is None else pictures_of(figures, names)
        yield Section(key, title, "", (Pictures(drawn),) if drawn else ())
    lead = "On the same machine, with as many threads, every bit of the weights comes out the same."
    yield Section("repeat", "To repeat it", lead, repeat_blocks(run))


def _draw_missing(run: Run, data_dir: Path | None) -> None:
    """Draw the pictures of a finished run that lost them, if its data are on this machine."""
    if not run.is_finished or any(run.folder.figures.glob("*.png")):
        return
    try:
        parts = run.parts(data_dir)
    except (DataError, RunError):
        return  # the section of the classes says why
    session.draw(run, parts)


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
        Fact(f"{part} accuracy", percent(told["accuracy"]), f"loss {_loss(told['loss'])}")
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
        yield (
            f"It recognises {right:,} of {pictures['test']:,} test pictures; "
            f"{pictures['test'] - right:,} are taken for another class."
        )
    monitor = run.recipe.training.monitor
    watched = "accuracy was highest" if monitor.endswith("accuracy") else "loss was lowest"
    said, epochs = run.recipe.training.epochs, result["epochs"]
    early = f" It stopped by itself, {said} epochs had been allowed." if epochs < said else ""
    yield (
        f"The weights are those of epoch {result['best_epoch']} of {epochs}, where the validation "
        f"{watched}.{early}"
    )
    if run.looks > 1:
        yield (
            f"The test part has been looked at {run.looks} times: the more often, the less its "
            "figure says about pictures that nobody has seen."
        )


def _interim(run: Run) -> Iterator[Block]:
    rows, said = run.history.epochs, run.recipe.training.epochs
    last = rows[-1]
    yield Facts(
        (
            Fact(
                "validation accuracy",
                percent(last.get("val_accuracy")),
                f"loss {_loss(last.get('val_loss'))}",
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


def percent(fraction: float | None) -> str:
    """0.8932 -> '89.32 %'."""
    return "not finite" if fraction is None else f"{fraction:.2%}".replace("%", " %")


def _loss(loss: float | None) -> str:
    return "not finite" if loss is None else f"{loss:.4f}"


def duration(seconds: float) -> str:
    """95.2 -> '1 min 35 s'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def is_run(path: Path) -> bool:
    """Whether a folder holds a run."""
    return RunFolder(path).recipe.is_file()
