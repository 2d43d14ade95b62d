"""Runs to report on: a plain one, and one whose every text tries to be more than text."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from handloom.report import write_report
from handloom.run import session
from handloom.run.results import Run, open_run

HOSTILE = (
    "</script><script>document.title='hacked'</script><img src=x onerror=\"boom()\"> & 'x' \\u003c"
)


class Parsed(HTMLParser):
    """A page as a browser's parser takes it apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "pre": []}
        self.text = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.inside:
            self._within = tag
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.inside[self._within][-1] += data
        if self._within not in ("script", "style"):
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sections(self) -> list[str]:
        """Their addresses, in order."""
        return [attributes["id"] or "" for attributes in self.of("section")]

    @property
    def charts(self) -> dict[str, Any]:
        """What the page's script draws, by title."""
        blocks = [text for text in self.inside["script"] if text.lstrip().startswith("{")]
        return {chart["title"]: chart for chart in map(json.loads, blocks)}


def read(path: Path) -> Parsed:
    return Parsed(path.read_text(encoding="utf-8"))


def lend_pictures(lender: Run, run: Run) -> None:
    """Another's figures, where it matters that there are some: drawing takes seconds."""
    shutil.copytree(lender.folder.figures, run.folder.figures)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that wants a run or a page leaves it for the others."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def run(lasting_bars: Path, kept: Path) -> Run:
    """A finished training of bars.toml, images and all."""
    folder = kept / "bars"
    return open_run(folder) if folder.exists() else session.train(lasting_bars, run_dir=folder)


@pytest.fixture(scope="module")
def page(run: Run, kept: Path) -> Path:
    """Its report."""
    path = kept / "report.html"
    return path if path.exists() else write_report(run, path)


@pytest.fixture(scope="module")
def hostile(lasting_bars: Path, run: Run, kept: Path) -> Run:
    """Description, class names and folder of a run that a stranger sent."""
    folder = kept / "a&b <i>'c'"
    if folder.exists():
        return open_run(folder)
    names = {"0": "top", "1": '"' + HOSTILE.replace('"', '""') + '"', "2": "bottom"}
    for name in ("labels.csv", "test-labels.csv"):
        head, *rows = (lasting_bars.parent / name).read_text().splitlines()
        pairs = (row.split(",") for row in rows)
        named = [f"{image_id},{names[label]}" for image_id, label in pairs]
        (lasting_bars.parent / f"hostile-{name}").write_text("\n".join([head, *named, ""]))
    changes = {
        "description": HOSTILE,
        "data.labels": str(lasting_bars.parent / "hostile-labels.csv"),
        "data.test_labels": str(lasting_bars.parent / "hostile-test-labels.csv"),
    }
    made = session.train(lasting_bars, overrides=changes, run_dir=folder, pictures=False)
    lend_pictures(run, made)
    return made
