"""What the diagnosis of a run says, with the pictures that show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handloom import diagnosis as room
from handloom.errors import DataError, RunError
from handloom.report.blocks import Block, Finding, Findings, Picture, Pictures, Table, Text
from handloom.run.pictures import png_of
from handloom.run.results import Run
from handloom.views import Picture as Drawable
from handloom.views import draw_picture

CALIBRATION, LABELS = "miscalibration", "suspicious-labels"


def diagnosis_blocks(run: Run, data_dir: Path | None) -> tuple[Block, ...]:
    """The findings, what was looked at without one, or why nothing could be looked at here."""
    try:
        diagnosis = room.diagnose(run, data_dir=data_dir)
    except (DataError, RunError) as error:
        return (Text((f"The diagnosis needs the run's pictures and weights: {error}.",)),)
    return tuple(_blocks(run, diagnosis))


def diagnosis_rows(name: str, run: Run, data_dir: Path | None) -> list[tuple[str, str, str]]:
    """(run, what was found, what to try), a row a finding; one that says so where there is none."""
    try:
        diagnosis = room.diagnose(run, data_dir=data_dir)
    except (DataError, RunError) as error:
        return [(name, f"cannot be diagnosed: {error}", "–")]
    found = [(name, each.sentence, each.advice) for each in diagnosis.findings]
    return found or [(name, f"nothing, by {len(diagnosis.examined)} rules", "–")]


def _blocks(run: Run, diagnosis: room.Diagnosis) -> Iterator[Block]:
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
        yield Findings(tuple(_finding(run, found) for found in diagnosis.findings))
    if further := tuple(_further(run, diagnosis)):
        yield Pictures(further)
    silent = [
        name for name in diagnosis.examined if name not in {f.rule for f in diagnosis.findings}
    ]
    rows = [(name, "nothing found") for name in silent]
    rows += [(name, f"not asked: {why}") for name, why in diagnosis.passed_over.items()]
    caption = "What the rules said" if diagnosis.is_healthy else "What the other rules said"
    yield Table(caption, ("rule", "what it said"), tuple(rows), folded=True)


def _finding(run: Run, found: room.Finding) -> Finding:
    picture = None
    if found.picture is not None:
        alt = f"The picture of it: {found.sentence}"
        picture = _picture(run, found.rule, found.picture, alt, "")
    return Finding(found.severity, found.sentence, found.advice, found.source, picture)


def _further(run: Run, diagnosis: room.Diagnosis) -> Iterator[Picture]:
    """How far to trust its confidence, and which labels are doubtful, where no rule said so."""
    shown = {found.rule for found in diagnosis.findings}
    calibration = diagnosis.figures.get("calibration")
    if calibration is not None and CALIBRATION not in shown:
        alt = (
            "Reliability diagram: how often the network is right against how sure it is; the "
            f"expected calibration error is {calibration['ece']:.4f}."
        )
        caption = "How sure it is, and how often it is right"
        drawable = diagnosis.pictures[CALIBRATION]
        if picture := _picture(run, CALIBRATION, drawable, alt, caption):
            yield picture
    doubtful = sum(diagnosis.figures.get("suspicious_labels", {}).values())
    if doubtful and LABELS not in shown:
        alt = f"A sheet of the {doubtful:,} pictures whose labels the network confidently doubts."
        caption = "Labels that the network doubts"
        if picture := _picture(run, LABELS, diagnosis.pictures[LABELS], alt, caption):
            yield picture


def _picture(run: Run, rule: str, drawable: Drawable, alt: str, caption: str) -> Picture | None:
    png = png_of(f"diagnose-{rule}", run.path, lambda: draw_picture(drawable))
    return None if png is None else Picture(rule, png, alt, caption)
