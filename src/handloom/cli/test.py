"""handloom test: the best weights on the test part."""

from __future__ import annotations

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, RunsArgument, Tta, listed
from handloom.cli.output import Voice, number

EXAMPLES = """\b
Examples:
  handloom test runs/digits
  handloom test runs/digits --json | jq .accuracy
  handloom test runs/a --tta flip,shift
  handloom test runs/a runs/b               the mean of their probabilities
"""
WIDEST_MATRIX = 12  # classes; a wider matrix is a picture's work


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("test", epilog=EXAMPLES)(test)


def test(
    runs: RunsArgument,
    data_dir: DataDir = None,
    tta: Tta = "",
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Look at the test set with a run's best weights.

    Several runs, or an ensemble, look at it together: by the mean of their probabilities.
    Prints loss, accuracy, a row a class, and the confusion matrix. Each look is counted in the
    run's result.json: a test set that is looked at often is a test no more.
    """
    from handloom.ensemble import Committee, open_together
    from handloom.views import class_scores, confusion

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    trained = open_together(runs)
    members = len(trained.runs) if isinstance(trained, Committee) else 1
    tested = trained.test(data_dir, tta=listed(tta))
    matrix = confusion(tested.labels, tested.predicted, trained.class_names)
    scores = class_scores(matrix)
    voice.answer(
        tested.describe()
        | {
            "evaluations": trained.looks,
            "tta": listed(tta),
            "members": members,
            "classes": [score._asdict() for score in scores],
            "confusion": matrix.counts.tolist(),
        }
    )
    for run in getattr(trained, "runs", [trained]):
        if run.divergence:
            voice.say(run.divergence)
    voice.say(
        f"accuracy {number(tested.accuracy)}   loss {number(tested.loss)}   "
        f"on {len(tested.labels):,} pictures"
        + (f", the mean of {members} runs" if members > 1 else "")
        + (f", each seen with {' and '.join(listed(tta))}" if listed(tta) else "")
    )
    voice.say(f"look number {trained.looks} at this test set\n")
    voice.table(
        ("class", "precision", "recall", "f1", "pictures"),
        [
            (s.name, number(s.precision), number(s.recall), number(s.f1), f"{s.support:,}")
            for s in scores
        ],
    )
    if len(scores) <= WIDEST_MATRIX:
        voice.say("\nconfusion: a row is a true class, a column what it was taken for")
        voice.table(
            ("", *(str(index) for index in range(len(scores)))),
            [
                (_numbered(index, score.name), *(str(count) if count else "·" for count in row))
                for index, (score, row) in enumerate(zip(scores, matrix.counts, strict=True))
            ],
        )


def _numbered(index: int, name: str) -> str:
    return name if name == str(index) else f"{index} {name}"
