from __future__ import annotations

import matplotlib
import pytest

from handloom.views import style


def test_the_users_own_settings_do_not_matter_and_come_back() -> None:
    with matplotlib.rc_context({"axes.facecolor": "black", "text.parse_math": True}):
        with style.house_style():
            assert matplotlib.rcParams["axes.facecolor"] == "white"
            assert matplotlib.rcParams["text.parse_math"] is False
        assert matplotlib.rcParams["axes.facecolor"] == "black"


@pytest.mark.parametrize(
    ("fraction", "told"),
    [
        (0.8932, "89.3 %"),
        (1.0, "100 %"),
        (0.0, "0.0 %"),
        (0.99999, "> 99.9 %"),
        (0.00001, "< 0.1 %"),
        (float("nan"), "NaN"),
    ],
)
def test_percent_never_rounds_to_all_or_nothing(fraction: float, told: str) -> None:
    assert style.percent(fraction) == told


def test_names_that_cannot_be_drawn_become_numbers() -> None:
    names = style.shown_names(("a\nb  c", "", "\U000f0000", "é$5<html>"))
    assert names == ("a b c", "class 1", "class 2", "é$5<html>")


def test_long_text_is_cut_to_fit() -> None:
    text = "a name longer than anyone would ever read"
    cut = style.fitted(text, 100)
    assert cut.endswith("…")
    assert text.startswith(cut[:-1])
    assert style.text_width(cut) <= 100
    assert style.fitted("short", 100) == "short"


def test_wrapping_keeps_every_word_within_the_width() -> None:
    text = "every word of this sentence shall stand in one of the lines"
    lines = style.wrapped(text, 160)
    assert " ".join(lines) == text
    assert len(lines) > 1
    assert all(style.text_width(line) <= 160 for line in lines)
