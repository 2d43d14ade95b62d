"""The common style of all figures: sizes, colours, and names made safe to draw.

Lengths are pixels at `DPI`, font sizes are points. The colours are Okabe and Ito's, which people
with colour-blindness can tell apart; where a colour means right or wrong, a sign says it too.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

DPI = 130
MARGIN = 28
HEADING, TEXT, SMALL = 13.0, 9.5, 8.0

INK, MUTED, FAINT, PAPER = "#1f2328", "#57606a", "#d0d7de", "#ffffff"
TRAIN, VALIDATION, BEST = "#0072b2", "#d55e00", "#1f2328"
RIGHT, WRONG, NEUTRAL = "#00795c", "#c2410c", "#8c959f"
RIGHT_SIGN, WRONG_SIGN = "✓", "✗"
DIVERGING, SEQUENTIAL = "RdBu_r", "Oranges"
NOT_A_NUMBER = "#b6bec6"

LONGEST_NAME = 400
"""Characters of a name that are looked at; no figure has room for more."""

FONT = "DejaVu Sans"  # comes with matplotlib: the same figures on every machine
FONTS_FOR_OTHER_SCRIPTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "Noto Sans",
    "Arial Unicode MS",
)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with these settings, whatever the user's own matplotlibrc says; restored afterwards."""
    from matplotlib import style

    with style.context(["default", _settings()]):
        yield


def _settings() -> dict[str, Any]:
    return {
        "text.parse_math": False,  # a class may be called "$5"
        "font.family": list(fonts()),
        "font.size": TEXT,
        "text.color": INK,
        "axes.edgecolor": NEUTRAL,
        "axes.labelcolor": MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "lines.linewidth": 1.8,
    }


@cache
def fonts() -> tuple[str, ...]:
    """The font of all text, then those at hand for scripts that it lacks."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return (FONT, *(name for name in FONTS_FOR_OTHER_SCRIPTS if name in installed))


@cache
def _can_draw(character: str) -> bool:
    """Whether a font at hand has the character, plain and bold."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    def has(weight: str) -> bool:
        files = (findfont(FontProperties(family=[name], weight=weight)) for name in fonts())
        return any(get_font(file).get_char_index(ord(character)) for file in files)

    return has("normal") and has("bold")


def shown_names(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Class names as they can be drawn: one line each, and 'class 7' where no font has the script.

    A box in place of every letter would say less than the number does.
    """
    return tuple(shown_name(name, index) for index, name in enumerate(class_names))


def shown_name(name: str, class_id: int) -> str:
    """One class's name as it can be drawn: see `shown_names`."""
    name = " ".join(name[:LONGEST_NAME].split())
    return name if name and all(map(_can_draw, name)) else f"class {class_id}"


def pictures(count: int, part: str = "") -> str:
    """How many images of which split: '1 test image', '360 validation images'.

    What a figure says about its images is made here, from the split that was drawn; where `part`
    is empty, the split is not named.
    """
    return f"{count:,} {part_pictures(part, count)}"


def part_pictures(part: str, count: int = 2) -> str:
    """'test images', 'validation image', or only 'images'."""
    return " ".join(filter(None, (part, "image" if count == 1 else "images")))


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = TEXT, weight: str = "normal") -> float:
    """Width of one line of plain text, in pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    properties = FontProperties(family=list(fonts()), size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, properties, ismath=False)
    return width * DPI / 72


def line_height(size: float = TEXT) -> int:
    """Height of one line of text with the space to the next, in pixels."""
    return math.ceil(size * 1.45 * DPI / 72)


def fitted(text: str, width: float, size: float = TEXT, weight: str = "normal") -> str:
    """`text`, cut with an ellipsis where it is wider than `width` pixels."""
    if text_width(text, size, weight) <= width:
        return text
    lengths = range(len(text))
    fits = bisect_left(lengths, True, key=lambda n: text_width(_cut(text, n), size, weight) > width)
    return _cut(text, max(0, fits - 1))


def _cut(text: str, length: int) -> str:
    return text[:length].rstrip() + "…"


def wrapped(text: str, width: float, size: float = TEXT) -> list[str]:
    """`text` in lines of at most `width` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def percent(fraction: float) -> str:
    """0.8932 -> '89.3 %'; almost everything and almost nothing are written as such."""
    if math.isnan(fraction):
        return "NaN"
    if 0.9995 <= fraction < 1:
        return "> 99.9 %"
    if 0 < fraction < 0.0005:
        return "< 0.1 %"
    return f"{fraction:.1%}".replace("%", " %").replace("100.0", "100")
