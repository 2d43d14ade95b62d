"""handloom test: evaluate the best weights on the test set."""

from __future__ import annotations

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, RunsArgument, Tta, listed
from handloom.cli.output import Voice, number

EXAMPLES = """\b
Examples:
  handloom test runs/digits
  handloom test runs/digits --json | jq .accuracy
  handloom test runs/a --tta flip,shift
  handloom test runs/a runs/b               averages their probabilities
"""
WIDEST_MATRIX = 12  # classes; a wider matrix is an image's work
LARGEST_MATRIX = 1000  # classes; a program that wants a larger one counts it from `predict`


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
    """Evaluate a run's best weights on the test set.

    Several runs, or an ensemble, are evaluated together, by the mean of their probabilities.
    Prints loss, accuracy, metrics by class, and the confusion matrix. Each evaluation is counted
    in the run's result.json: a test set that is used often stops being a fair test.
    """
    from handloom.studies.ensemble import CombinedRuns, open_combined
    from handloom.views import class_scores, confusion, listed_scores

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    trained = open_combined(runs)
    members = len(trained.runs) if isinstance(trained, CombinedRuns) else 1
    tested = trained.test(data_dir, tta=listed(tta))
    matrix = confusion(tested.labels, tested.predicted, trained.class_names, "test")
    if voice is Voice.PROGRAM:
        small = len(trained.class_names) <= LARGEST_MATRIX
        voice.answer(
            tested.describe()
            | {
                "evaluations": trained.looks,
                "tta": listed(tta),
                "members": members,
                "classes": [score._asdict() for score in class_scores(matrix)],
                "confusion": matrix.counts.tolist() if small else None,
            }
        )
    for run in getattr(trained, "runs", [trained]):
        if run.divergence:
            voice.say(run.divergence)
    voice.say(
        f"accuracy {number(tested.accuracy)}   "
        f"{'log loss' if members > 1 else 'loss'} {number(tested.loss)}   "
        f"on {len(tested.labels):,} images"
        + (f", the mean of {members} runs" if members > 1 else "")
        + (f", with test-time augmentation ({', '.join(listed(tta))})" if listed(tta) else "")
    )
    voice.say(f"evaluation {trained.looks} on this test set\n")
    scores, left_out = listed_scores(matrix)
    voice.table(
        ("class", "precision", "recall", "f1", "images"),
        [
            (s.name, number(s.precision), number(s.recall), number(s.f1), f"{s.support:,}")
            for s in scores
        ],
    )
    if left_out:
        voice.say(left_out)
    occurring = matrix.occurring
    if len(occurring) <= WIDEST_MATRIX:
        voice.say("\nconfusion matrix: rows are true classes, columns are predicted classes")
        counts = matrix.counts_among(occurring)
        voice.table(
            ("", *map(str, occurring)),
            [
                (
                    _numbered(index, trained.class_names[index]),
                    *(str(count) if count else "·" for count in row),
                )
                for index, row in zip(occurring.tolist(), counts, strict=True)
            ],
        )


def _numbered(index: int, name: str) -> str:
    return name if name == str(index) else f"{index} {name}"
