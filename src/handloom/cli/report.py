"""handloom report: runs or a study as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, complete_run
from handloom.cli.output import Voice

EXAMPLES = """\b
Examples:
  handloom report runs/digits                   writes runs/digits/report.html
  handloom report runs/digits --out digits.html
  handloom report runs/digits --json | jq -r .report
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", epilog=EXAMPLES)(report)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="A run folder.", autocompletion=complete_run),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write.  [default: report.html in the run]"),
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Write one self-contained HTML page about a run.

    It opens from a disk and loads nothing: what was asked, the answer, curves to hover and zoom,
    classes, mistakes, weights, activations, and how to repeat it.
    """
    from handloom.report import write_report
    from handloom.results import open_run

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    path = write_report([open_run(run) for run in runs], out, data_dir=data_dir)
    voice.answer({"report": str(path), "bytes": path.stat().st_size})
    voice.say(str(path))
