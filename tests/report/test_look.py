"""Colours that can be read: WCAG 2.2's contrast between what is written and what is under it."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from handloom.views import style

CSS = (resources.files("handloom.report") / "templates" / "report.css").read_text("utf-8")
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--([\w-]+): ([^;]+);", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)
THEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}
LINES = ("train", "validation", "neutral", *(f"c{index}" for index in range(8)))


def luminance(colour: tuple[float, ...]) -> float:
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colour(theme: str, name: str) -> tuple[float, ...]:
    text = THEMES[theme][name]
    if text.startswith("#"):
        return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))
    return tuple(map(float, text.split(",")))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "right", "wrong"])
def test_texts_can_be_read(theme: str, text: str) -> None:
    for ground in ("paper", "ground"):
        assert contrast(colour(theme, text), colour(theme, ground)) >= 4.5, ground


@pytest.mark.parametrize("theme", THEMES)
def test_badges_and_best_rows_can_be_read(theme: str) -> None:
    for text, ground in (("paper", "muted"), ("paper", "wrong"), ("ink", "right-ground")):
        assert contrast(colour(theme, text), colour(theme, ground)) >= 4.5, ground


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("line", LINES)
def test_lines_stand_out(theme: str, line: str) -> None:
    assert contrast(colour(theme, line), colour(theme, "paper")) >= 3.0


@pytest.mark.parametrize("theme", THEMES)
def test_counts_can_be_read_on_the_hottest_cell(theme: str) -> None:
    shares = [float(share) for share in re.findall(r"--share: ([.\d]+);", CSS)]
    assert len(shares) == 9
    for share in shares:
        pairs = zip(colour(theme, "heat"), colour(theme, "paper"), strict=True)
        cell = tuple(share * heat + (1 - share) * paper for heat, paper in pairs)
        assert contrast(colour(theme, "ink"), cell) >= 4.5, share


def test_curves_have_the_colours_of_the_pictures() -> None:
    for theme in ("light", "print"):
        assert THEMES[theme]["train"] == style.TRAIN
        assert THEMES[theme]["validation"] == style.VALIDATION
        assert THEMES[theme]["ink"] in (style.INK, "#000000")


def test_every_theme_has_every_colour() -> None:
    assert THEMES["dark"].keys() == THEMES["print"].keys()
    assert THEMES["light"].keys() - THEMES["dark"].keys() == {"serif", "sans", "mono"}
