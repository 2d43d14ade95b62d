"""handloom report: runs, or a study, as one HTML page."""

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
  handloom report runs/fashion-grid             a study, its best run
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
            help="The file to write.  [default: report.html in the run or the study, of several "
            "runs here]",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write one self-contained HTML page about runs or a study.

    It opens from a disk and loads nothing: what was asked, the answer, curves to hover and zoom,
    diagnosis, classes, mistakes, weights, activations, and how to repeat it. Several runs stand
    side by side, with paired tests on their validation pictures; no look at the test part is
    spent.
    """
    from handloom.report import open_subjects, write_report

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    with telling(quiet=quiet) as tell:
        tell("looking at curves, weights and pictures")
        path = write_report(open_subjects(subjects), out, data_dir=data_dir)
    voice.answer({"report": str(path), "bytes": path.stat().st_size})
    voice.say(str(path))
