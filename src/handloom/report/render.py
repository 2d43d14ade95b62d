"""From a page's values to its HTML: one file that fetches nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from handloom import __version__
from handloom.report.blocks import Page

if TYPE_CHECKING:
    from jinja2 import Environment

SCRIPTS = ("scale.js", "drawing.js", "chart.js", "page.js")


def render(page: Page) -> str:
    """The page as HTML. The same page gives the same text: it has no date and nothing random."""
    style, script = _asset("report.css"), "".join(map(_asset, SCRIPTS))
    return _environment().get_template("page.html").render(
        page=page, style=style, script=script, policy=_policy(style, script), version=__version__
    )  # fmt: skip


def _policy(style: str, script: str) -> str:
    """What the page may load: images embedded in it, this style, this script; nothing else.

    Text that got into the page could not run, even if it had not been escaped.
    """
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    """A file beside the templates, with uniform line ends, since the digest depends on them."""
    return (resources.files("handloom.report") / "templates" / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("handloom.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    environment.filters["size"] = _png_size
    environment.filters["spec"] = _spec
    environment.filters["toml_tokens"] = _toml_tokens
    return environment


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height, from the header of the PNG: with them the page does not jump on loading."""
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def _spec(chart: Any) -> dict[str, Any]:
    """A chart for the script, with the names that it uses."""
    told = chart._asdict()
    told["series"] = [series._asdict() for series in chart.series]
    told["marks"] = [mark._asdict() for mark in chart.marks]
    return told


def _toml_tokens(text: str) -> list[tuple[str, str]]:
    """The pieces of a recipe, each with its kind: table, key, value or comment."""
    tokens = []
    for line in text.splitlines(keepends=True):
        key, equals, value = line.partition(" = ")
        if line.startswith("["):
            tokens.append(("table", line))
        elif line.startswith("#"):
            tokens.append(("comment", line))
        elif equals and key.isidentifier():
            tokens += [("key", key), ("plain", equals), ("value", value)]
        else:
            tokens.append(("value", line))
    return tokens
