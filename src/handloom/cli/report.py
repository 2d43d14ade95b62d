"""handloom report: runs or a study on one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, complete_run
from handloom.cli.output import Voice, telling

EXAMPLES = """\b
Examples:
  handloom report runs/digits                   writes runs/digits/report.html
  handloom report runs/digits --out digits.html
  handloom report runs/small runs/wide          side by side, in ./report.html
  handloom report runs/fashion-grid             a study with its best run
  handloom report runs/digits --json | jq -r .report
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", epilog=EXAMPLES)(report)


def report(
    subjects: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|STUDY",
            help="Run folders, or the folder of a study.",
            autocompletion=complete_run,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file to write.  [default: report.html in the run or study; for several runs, "
            "in the current folder]",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write one self-contained HTML page about runs or a study.

    The page loads nothing from elsewhere: results, setup, curves to hover and zoom, diagnosis,
    metrics by class, mistakes, weights, activations, and how to reproduce it. Several runs are
    compared with paired tests on their validation images. The test set is not evaluated.
    """
    from handloom.report import open_subjects, write_report

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    with telling(quiet=quiet) as tell:
        tell("reading curves, weights and images")
        path = write_report(open_subjects(subjects), out, data_dir=data_dir)
    voice.answer({"report": str(path), "bytes": path.stat().st_size})
    voice.say(str(path))
