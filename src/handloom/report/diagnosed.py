"""What the diagnosis of a run says, with the pictures that show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handloom.errors import DataError, RunError
from handloom.experiments import diagnose as room
from handloom.report.blocks import Block, Finding, Findings, Picture, Pictures, Table, Text
from handloom.results import Run
from handloom.views import draw_picture, png

CALIBRATION, LABELS = "miscalibration", "suspicious-labels"


def diagnosis_blocks(run: Run, data_dir: Path | None) -> tuple[Block, ...]:
    """The findings, what was looked at without one, or why nothing could be looked at here."""
    try:
        diagnosis = room.diagnose(run, data_dir=data_dir)
    except (DataError, RunError) as error:
        return (Text((f"The diagnosis needs the run's pictures and weights: {error}.",)),)
    return tuple(_blocks(diagnosis))


def diagnosis_rows(name: str, run: Run, data_dir: Path | None) -> list[tuple[str, str, str]]:
    """(run, what was found, what to try), a row a finding; one that says so where there is none."""
    try:
        diagnosis = room.diagnose(run, data_dir=data_dir)
    except (DataError, RunError) as error:
        return [(name, f"cannot be diagnosed: {error}", "–")]
    found = [(name, each.sentence, each.advice) for each in diagnosis.findings]
    return found or [(name, f"nothing, by {len(diagnosis.examined)} rules", "–")]


def _blocks(diagnosis: room.Diagnosis) -> Iterator[Block]:
    looked = len(diagnosis.examined)
    if diagnosis.is_healthy:
        yield Text(
            (f"{looked} rules looked for what is wrong or could be better: all were silent.",)
        )
    else:
        found = "one thing" if len(diagnosis.findings) == 1 else f"{len(diagnosis.findings)} things"
        yield Text(
            (f"{looked} rules looked for what is wrong or could be better; {found} came up.",)
        )
        yield Findings(tuple(map(_finding, diagnosis.findings)))
    if further := tuple(_further(diagnosis)):
        yield Pictures(further)
    silent = [
        name for name in diagnosis.examined if name not in {f.rule for f in diagnosis.findings}
    ]
    rows = [(name, "nothing found") for name in silent]
    rows += [(name, f"not asked: {why}") for name, why in diagnosis.passed_over.items()]
    caption = "What the rules said" if diagnosis.is_healthy else "What the other rules said"
    yield Table(caption, ("rule", "what it said"), tuple(rows), folded=True)


def _finding(found: room.Finding) -> Finding:
    picture = None
    if found.picture is not None:
        alt = f"The picture of it: {found.sentence}"
        picture = Picture(found.rule, png(draw_picture(found.picture)), alt, "")
    return Finding(found.severity, found.sentence, found.advice, found.source, picture)


def _further(diagnosis: room.Diagnosis) -> Iterator[Picture]:
    """How far to trust its confidence, and which labels are doubtful, where no rule said so."""
    shown = {found.rule for found in diagnosis.findings}
    calibration = diagnosis.figures.get("calibration")
    if calibration is not None and CALIBRATION not in shown:
        alt = (
            "Reliability diagram: how often the network is right against how sure it is; the "
            f"expected calibration error is {calibration['ece']:.4f}."
        )
        drawn = png(draw_picture(diagnosis.pictures[CALIBRATION]))
        yield Picture(CALIBRATION, drawn, alt, "How sure it is, and how often it is right")
    doubtful = sum(diagnosis.figures.get("suspicious_labels", {}).values())
    if doubtful and LABELS not in shown:
        alt = f"A sheet of the {doubtful:,} pictures whose labels the network confidently doubts."
        drawn = png(draw_picture(diagnosis.pictures[LABELS]))
        yield Picture(LABELS, drawn, alt, "Labels that the network doubts")
