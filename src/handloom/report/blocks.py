"""The parts of a page: plain values, which the templates turn into HTML.

Every text here is text, not HTML: it is escaped where it enters the page. A block is drawn by
the macro of its class's name in `templates/blocks.html`.
"""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """Paragraphs, one after another; an aside is set smaller."""

    paragraphs: tuple[str, ...]
    is_aside: bool = False


class Fact(NamedTuple):
    """One number of a report: its label, its value, and a note about it."""

    label: str
    value: str
    note: str = ""


class Facts(NamedTuple):
    """Numbers side by side; those of a `main` row are set larger."""

    facts: tuple[Fact, ...]
    main: bool = False


class Terms(NamedTuple):
    """A description list: pairs of a term and its text, one below the other."""

    pairs: tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """Points (x, y), joined by a line unless they are only `dots`; None leaves a gap.

    `colour` is one of the page's names, `labels` what each point is called, if not as the series.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    colour: str
    dots: bool = False
    labels: tuple[str, ...] = ()


class Mark(NamedTuple):
    """An upright dashed line at `x`."""

    x: float
    label: str


class Chart(NamedTuple):
    """Lines or dots over a common axis, drawn in the reader's browser.

    `unit` is "number" or "percent" (of fractions). Charts of the same `group` share cursor and
    zoom. `summary` describes in a sentence what the chart shows, for those who cannot see it.
    """

    title: str
    note: str
    x_label: str
    unit: str
    series: tuple[Series, ...]
    summary: str
    group: str
    marks: tuple[Mark, ...] = ()
    is_log: bool = False


class Charts(NamedTuple):
    """Charts side by side, where the page is wide enough."""

    charts: tuple[Chart, ...]


class Picture(NamedTuple):
    """A PNG within the page; `alt` describes in words what it shows."""

    name: str
    png: bytes
    alt: str
    caption: str


class Pictures(NamedTuple):
    """Figures one below the other, or `abreast` where the page is wide enough."""

    pictures: tuple[Picture, ...]
    abreast: bool = False


class Table(NamedTuple):
    """Rows of cells, as texts; the first cell of a row names it.

    `folded` tables show only their caption until they are opened.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False
    best: int | None = None
    """The row that is highlighted."""

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds numbers only."""
        return tuple(all(map(_is_number, column)) for column in zip(*self.rows, strict=True))


def _is_number(cell: str) -> bool:
    return set(cell) <= set("0123456789+-−±.,e%×·–> <k MGs")


class Cell(NamedTuple):
    """How many images of the row's class were predicted as the column's; `heat` is 0 to 9."""

    pictures: int
    share: str
    heat: int
    told: str


class Matrix(NamedTuple):
    """A confusion matrix: rows are true classes, columns are predicted ones."""

    caption: str
    class_names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Code(NamedTuple):
    """Text to copy; with a `file_name` it can be saved from the page as well."""

    label: str
    text: str
    file_name: str = ""
    is_toml: bool = False
    folded: bool = False


class Finding(NamedTuple):
    """One finding of the diagnosis: the sentence with its number, and what to try."""

    severity: str
    sentence: str
    advice: str
    source: str
    picture: Picture | None = None


class Findings(NamedTuple):
    """What the diagnosis found, the most severe first."""

    findings: tuple[Finding, ...]


Block = Text | Facts | Terms | Charts | Pictures | Table | Matrix | Code | Findings


class Section(NamedTuple):
    """A section of the page; `key` is its anchor."""

    key: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


class Page(NamedTuple):
    """A whole report. `kind` is shown above the title, `question` below it."""

    kind: str
    title: str
    question: str
    sections: tuple[Section, ...]
