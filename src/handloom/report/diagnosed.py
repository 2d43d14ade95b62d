"""The diagnosis of a run, with the figures that show it."""

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
    """The findings, the checks without one, or why the run cannot be checked here."""
    try:
        diagnosis = room.diagnose(run, data_dir=data_dir)
    except (DataError, RunError) as error:
        return (Text((f"The diagnosis needs the run's images and weights: {error}.",)),)
    return tuple(_blocks(run, diagnosis))


def diagnosis_rows(name: str, run: Run, data_dir: Path | None) -> list[tuple[str, str, str]]:
    """(run, finding, what to try), one row per finding; one that says so if there is none."""
    try:
        diagnosis = room.diagnose(run, data_dir=data_dir)
    except (DataError, RunError) as error:
        return [(name, f"cannot be diagnosed: {error}", "–")]
    found = [(name, each.sentence, each.advice) for each in diagnosis.findings]
    return found or [(name, f"no problems ({len(diagnosis.examined)} checks ran)", "–")]


def _blocks(run: Run, diagnosis: room.Diagnosis) -> Iterator[Block]:
    looked = len(diagnosis.examined)
    if diagnosis.is_healthy:
        yield Text((f"{looked} checks ran; no problems found.",))
    else:
        found = (
            "1 finding" if len(diagnosis.findings) == 1 else f"{len(diagnosis.findings)} findings"
        )
        yield Text((f"{looked} checks ran; {found}.",))
        yield Findings(tuple(_finding(run, found) for found in diagnosis.findings))
    if further := tuple(_further(run, diagnosis)):
        yield Pictures(further)
    silent = [
        name for name in diagnosis.examined if name not in {f.rule for f in diagnosis.findings}
    ]
    rows = [(name, "no problem") for name in silent]
    rows += [(name, f"skipped: {why}") for name, why in diagnosis.passed_over.items()]
    caption = "All checks" if diagnosis.is_healthy else "The other checks"
    yield Table(caption, ("check", "outcome"), tuple(rows), folded=True)


def _finding(run: Run, found: room.Finding) -> Finding:
    picture = None
    if found.picture is not None:
        alt = f"Figure: {found.sentence}"
        picture = _picture(run, found.rule, found.picture, alt, "")
    return Finding(found.severity, found.sentence, found.advice, found.source, picture)


def _further(run: Run, diagnosis: room.Diagnosis) -> Iterator[Picture]:
    """Calibration and suspicious labels, where no check found a problem with them."""
    shown = {found.rule for found in diagnosis.findings}
    calibration = diagnosis.figures.get("calibration")
    if calibration is not None and CALIBRATION not in shown:
        alt = (
            "Reliability diagram: accuracy against confidence; the "
            f"expected calibration error is {calibration['ece']:.4f}."
        )
        caption = "Reliability diagram: confidence and accuracy"
        drawable = diagnosis.pictures[CALIBRATION]
        if picture := _picture(run, CALIBRATION, drawable, alt, caption):
            yield picture
    doubtful = sum(diagnosis.figures.get("suspicious_labels", {}).values())
    if doubtful and LABELS not in shown:
        alt = f"The {doubtful:,} images whose labels the network confidently contradicts."
        caption = "Suspicious labels"
        if picture := _picture(run, LABELS, diagnosis.pictures[LABELS], alt, caption):
            yield picture


def _picture(run: Run, rule: str, drawable: Drawable, alt: str, caption: str) -> Picture | None:
    png = png_of(f"diagnose-{rule}", run.path, lambda: draw_picture(drawable))
    return None if png is None else Picture(rule, png, alt, caption)
