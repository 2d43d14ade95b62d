"""handloom test: the best weights on the test part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.output import JsonFlag, QuietFlag, Voice, complete_run

EXAMPLES = """
[bold]Examples[/bold]

  handloom test runs/digits

  handloom test runs/a --json | jq .accuracy
"""
WIDEST_MATRIX = 12  # classes; a wider matrix is a picture's work


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("test", epilog=EXAMPLES)(test)


def test(
    run: Annotated[Path, typer.Argument(help="A run folder.", autocompletion=complete_run)],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of data sets.")] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Loss, accuracy, per-class table and confusion matrix on the test set.

    Each look is counted in the run's result: a test set that is looked at often is a test no more.
    """
    from handloom import open_run
    from handloom.views import class_scores, confusion

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    trained = open_run(run)
    tested = trained.test(data_dir)
    matrix = confusion(tested.labels, tested.predicted, trained.class_names)
    scores = class_scores(matrix)
    looks = trained.result["test"]["evaluations"]
    voice.answer(
        tested.describe()
        | {
            "evaluations": looks,
            "classes": [score._asdict() for score in scores],
            "confusion": matrix.counts.tolist(),
        }
    )
    voice.say(
        f"accuracy {tested.accuracy:.4f}   loss {tested.loss:.4f}   on {len(tested.labels):,} pictures"
    )
    voice.say(f"look number {looks} at this test set")
    voice.table(
        ("class", "precision", "recall", "f1", "pictures"),
        [
            (s.name, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}", f"{s.support:,}")
            for s in scores
        ],
    )
    if len(scores) <= WIDEST_MATRIX:
        voice.say("confusion: a row is a true class, a column what it was taken for")
        voice.table(
            ("", *(str(index) for index in range(len(scores)))),
            [
                (f"{index} {score.name}", *(str(count) if count else "·" for count in row))
                for index, (score, row) in enumerate(zip(scores, matrix.counts, strict=True))
            ],
        )
