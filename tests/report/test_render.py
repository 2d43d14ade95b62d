"""The page as a file: whole, closed to the network, and deaf to what its texts would like to be."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from handloom.report import write_report
from handloom.report.blocks import Chart, Charts, Code, Page, Section, Series, Text
from handloom.report.render import render
from handloom.run.results import Run

from .conftest import HOSTILE, Parsed, read


def policy_of(page: Parsed) -> dict[str, str]:
    (told,) = (
        meta["content"]
        for meta in page.of("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    return dict(part.split(" ", 1) for part in (told or "").split("; "))


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_lets_its_own_script_and_style_run_and_nothing_else(page: Path) -> None:
    parsed = read(page)
    policy = policy_of(parsed)
    (style,) = parsed.inside["style"]
    script = parsed.inside["script"][-1]
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == digest(style)
    assert policy["script-src"] == digest(script)
    assert policy["img-src"] == "data:"


def test_nothing_is_fetched_and_no_attribute_runs(page: Path) -> None:
    for tag, attributes in read(page).elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert re.match(r"(#|data:|$)", attributes.get(name) or ""), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)", page.read_text("utf-8"))


def test_hostile_texts_stay_texts(hostile: Run, tmp_path: Path) -> None:
    plain = read(write_report(hostile, tmp_path / "hostile.html"))
    assert plain.text.count("document.title='hacked'") >= 3  # the title, the recipe, a class
    assert HOSTILE in plain.text
    assert all((image["src"] or "").startswith("data:") for image in plain.of("img"))
    assert not any("hacked" in text for text in plain.inside["script"])
    assert {tag for tag, _ in plain.elements if tag in ("i", "iframe", "object")} == set()
    assert "a&b <i>'c'" in plain.text
    assert re.search(r"handloom train a-b-i-c\.toml --out runs/a-b-i-c-again", plain.text)


def a_page(*blocks) -> Page:
    return Page("Report", "title", "", (Section("one", "One", "", blocks),))


def test_data_of_a_chart_cannot_end_its_script() -> None:
    series = Series(HOSTILE, (1.0, 2.0), (0.5, None), "train")
    chart = Chart("t", HOSTILE, "epoch", "number", (series,), HOSTILE, "epoch")
    text = render(a_page(Charts((chart,))))
    parsed = Parsed(text)
    assert len(parsed.of("script")) == 2
    assert parsed.charts["t"]["series"] == [json.loads(json.dumps(series._asdict()))]
    assert parsed.charts["t"]["note"] == HOSTILE


def test_a_number_that_is_none_is_refused() -> None:
    chart = Chart("t", "", "x", "number", (Series("a", (1.0,), (float("nan"),), "train"),), "", "x")
    with pytest.raises(ValueError, match="JSON"):
        render(a_page(Charts((chart,))))


@pytest.mark.parametrize("text", ["a = 1\n[b]\nc = [\n  2,\n]\n# d = 3\n", "x = '''\n[y\n'''", ""])
def test_a_coloured_recipe_is_the_recipe(text: str) -> None:
    (pre,) = Parsed(render(a_page(Code("label", text, "a.toml", True)))).inside["pre"]
    assert pre == text


def test_sections_are_reached_from_the_contents(page: Path) -> None:
    parsed = read(page)
    links = [link["href"] for link in parsed.of("a")]
    assert [f"#{key}" for key in parsed.sections] == [
        link for link in links[1:] if (link or "").startswith("#")
    ]


def test_texts_are_escaped_wherever_they_stand() -> None:
    section = Section("a", HOSTILE, HOSTILE, (Text((HOSTILE,)),))
    parsed = Parsed(render(Page(HOSTILE, HOSTILE, HOSTILE, (section,))))
    assert len(parsed.of("script")) == 1
    assert parsed.of("img") == []
    assert parsed.text.count(HOSTILE) == 9  # kind and title twice, question, section thrice, text
