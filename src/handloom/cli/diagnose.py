"""handloom diagnose: what is wrong with a run, or could be better."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handloom.cli.options import DataDir, JsonFlag, QuietFlag, RunArgument
from handloom.cli.output import Voice, number

if TYPE_CHECKING:
    from handloom.diagnosis import Diagnosis, Finding

EXAMPLES = """\b
Examples:
  handloom diagnose runs/digits
  handloom diagnose runs/digits --lr-range       with a learning-rate range test
  handloom diagnose runs/digits --json | jq -r '.findings[].sentence'
"""
WIDTH = 80
SIGNS = {"problem": "✗", "hint": "○"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnose", epilog=EXAMPLES)(diagnose)


def diagnose(
    run: RunArgument,
    lr_range: Annotated[
        bool,
        typer.Option(
            "--lr-range",
            help="Also train some steps from initial weights with growing learning rates, and show "
            "which ones work.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Where to write the figures.  [default: the run's figures]",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Find what is wrong with a run, or could be better.

    Reads its record, its weights and its data: overfitting, learning rates, dead or saturated
    units, gradients, class imbalance, suspicious labels, images in two splits, calibration. Each
    finding comes with the numbers and the figure that show it, and with advice. The test set is
    not evaluated.
    """
    from handloom import diagnosis as room
    from handloom._files import make_folder
    from handloom.run.pictures import sparing
    from handloom.run.results import open_run

    voice = Voice.choose(as_json=as_json, quiet=quiet)
    examined = open_run(run)
    if out is not None:
        make_folder(out, within=None)
    diagnosis = room.diagnose(examined, data_dir=data_dir, range_test=lr_range)
    files: dict[str, Path] = {}
    with sparing(examined.path) as on_failure:
        folder = out or examined.folder.own(examined.folder.figures)
        files = room.draw_diagnosis(diagnosis, folder, on_failure)
    voice.answer(
        {
            "run": str(examined.path),
            **diagnosis.describe(),
            "pictures": {rule: str(path) for rule, path in files.items()},
        }
    )
    if examined.divergence:
        voice.say(examined.divergence)
    _tell(voice, examined.path, diagnosis, files)


def _tell(voice: Voice, path: Path, diagnosis: Diagnosis, files: dict[str, Path]) -> None:
    found, looked = len(diagnosis.findings), len(diagnosis.examined)
    what = "no problems found" if not found else f"{found} finding{'' if found == 1 else 's'}"
    voice.say(f"{path}: {what}, {looked} checks ran")
    for finding in diagnosis.findings:
        voice.say()
        _tell_finding(voice, finding, files.get(finding.rule))
    voice.say()
    _tell_figures(voice, diagnosis)
    if files:
        voice.say(f"figures      {next(iter(files.values())).parent / 'diagnose-*.png'}")
    for why in dict.fromkeys(diagnosis.passed_over.values()):
        rules = [rule for rule, reason in diagnosis.passed_over.items() if reason == why]
        voice.say(_wrapped(f"skipped      {', '.join(rules)}: {why}", hanging=13))


def _tell_finding(voice: Voice, finding: Finding, picture: Path | None) -> None:
    voice.say(f"{SIGNS[finding.severity]} {finding.severity}: {finding.rule}")
    voice.say(_wrapped(finding.sentence, indent=2))
    voice.say(_wrapped(f"→ {finding.advice}", indent=2, hanging=4))
    if picture is not None:
        voice.say(f"  Figure: {picture}")
    voice.say(_wrapped(f"Source: {finding.source}", indent=2, hanging=10))


def _tell_figures(voice: Voice, diagnosis: Diagnosis) -> None:
    """Measurements that any run has."""
    if (found := diagnosis.figures.get("calibration")) is not None:
        error, temperature = number(found["ece"]), number(found["temperature"], 2)
        voice.say(f"calibration  expected calibration error {error}, temperature {temperature}")
    if (found := diagnosis.figures.get("suspicious_labels")) is not None:
        validation, train = found["validation"], found["train"]
        voice.say(
            f"labels       {validation:,} validation and {train:,} training labels look wrong"
        )
    if (found := diagnosis.figures.get("learning_rate_range")) is not None:
        told = "the loss fell at none of the rates"
        if found["steepest"] is not None:
            told = (
                f"the loss fell fastest at {found['steepest']:.2g}, up to {found['largest']:.2g}; "
                f"the recipe's is {found['used']:g}"
            )
        voice.say(_wrapped(f"rates        {told}", hanging=13))


def _wrapped(text: str, indent: int = 0, hanging: int | None = None) -> str:
    """Lines of at most 80 columns; all but the first `hanging` columns in."""
    later = indent if hanging is None else hanging
    filled = textwrap.fill(
        text.replace(" %", "\u00a0%"), WIDTH, initial_indent=" " * indent,
        subsequent_indent=" " * later, break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
    return filled.replace("\u00a0%", " %")
