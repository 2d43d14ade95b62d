from __future__ import annotations

import pytest

from handloom.diagnosis import Diagnosis, Finding
from handloom.errors import DataError, PictureWarning
from handloom.report import diagnosed
from handloom.report.blocks import Findings, Pictures, Table, Text
from handloom.report.diagnosed import diagnosis_blocks, diagnosis_rows
from handloom.run.results import Run
from handloom.views import Bar, Bars
from handloom.views.diagnosis.draw import DRAWN_BY

ILL = Finding("lazy", "problem", "It sleeps <b>.", "Wake it.", "Grimm 1812")


def says(monkeypatch, *findings: Finding, **settings) -> None:
    told = Diagnosis(findings, ("lazy", "fine"), {"range": "ask for it"}, **settings)
    monkeypatch.setattr(diagnosed.room, "diagnose", lambda run, data_dir: told)


def test_a_finding_stands_there_with_its_picture(run: Run, monkeypatch) -> None:
    bars = Bars("Sleep", "Hours.", "hours", (Bar("cat", 16.0, "16", True),))
    says(monkeypatch, ILL._replace(picture=bars), ILL)
    text, found, rest = diagnosis_blocks(run, None)
    assert isinstance(text, Text)
    assert "2 checks ran; 2 findings" in text.paragraphs[0]
    assert "2 findings" in text.paragraphs[0]
    assert isinstance(found, Findings)
    first, second = found.findings
    assert (first.severity, first.sentence, first.advice, first.source) == ILL[1:5]
    assert first.picture is not None
    assert first.picture.png.startswith(b"\x89PNG")
    assert first.picture.alt.endswith("It sleeps <b>.")
    assert second.picture is None
    assert isinstance(rest, Table)
    assert rest.rows == (("fine", "no problem"), ("range", "skipped: ask for it"))


def test_a_picture_that_fails_leaves_its_finding(run: Run, monkeypatch) -> None:
    def fail(bars: object) -> None:
        raise MemoryError

    monkeypatch.setitem(DRAWN_BY, Bars, fail)
    says(monkeypatch, ILL._replace(picture=Bars("Sleep", "Hours.", "hours", ())))
    with pytest.warns(PictureWarning, match=r"diagnose-lazy\.png \(not enough memory\)"):
        _, found, _ = diagnosis_blocks(run, None)
    assert isinstance(found, Findings)
    assert found.findings[0].sentence == ILL.sentence
    assert found.findings[0].picture is None


def test_of_a_healthy_run_it_says_so(run: Run, monkeypatch) -> None:
    says(monkeypatch)
    text, rest = diagnosis_blocks(run, None)
    assert isinstance(text, Text)
    assert "no problems found" in text.paragraphs[0]
    assert isinstance(rest, Table)
    assert diagnosis_rows("a", run, None) == [("a", "no problems (2 checks ran)", "–")]


def test_the_diagnosis_itself_brings_how_sure_the_network_is(run: Run) -> None:
    blocks = diagnosis_blocks(run, None)
    found = [block for block in blocks if isinstance(block, Findings)]
    pictures = [block for block in blocks if isinstance(block, Pictures)]
    names = {finding.picture.name for each in found for finding in each.findings if finding.picture}
    names |= {picture.name for each in pictures for picture in each.pictures}
    assert "miscalibration" in names


def test_rows_of_a_comparison(run: Run, monkeypatch) -> None:
    says(monkeypatch, ILL, ILL)
    assert diagnosis_rows("a", run, None) == [("a", "It sleeps <b>.", "Wake it.")] * 2


def test_without_its_data_it_says_why(run: Run, monkeypatch) -> None:
    def gone(run, data_dir):
        raise DataError("the images are not here")

    monkeypatch.setattr(diagnosed.room, "diagnose", gone)
    (text,) = diagnosis_blocks(run, None)
    assert isinstance(text, Text)
    assert "the images are not here" in text.paragraphs[0]
    assert "the images are not here" in diagnosis_rows("a", run, None)[0][1]
