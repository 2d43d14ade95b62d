"""The page in a real browser, opened from the disk."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handloom.report import write_report
from handloom.run.results import Run

from .conftest import HOSTILE, read

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page, and what it complained of and asked for since it was opened."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}} | settings
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.absolute().as_uri())
        self.page.wait_for_selector("figure.chart path.line", state="attached")
        self.path = path

    def chart(self, title: str) -> Any:
        heading = self.page.locator(".title", has_text=re.compile(f"^{title}$"))
        return self.page.locator("figure.chart").filter(has=heading)

    def hover(self, title: str, share: float) -> None:
        """The pointer over a chart, at a share of its width."""
        canvas = self.chart(title).locator(".canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        self.page.mouse.move(box["x"] + share * box["width"], box["y"] + 100)

    def epochs(self, title: str) -> list[float]:
        """What stands under the axis."""
        labels = self.chart(title).locator('text[text-anchor="middle"]').all_text_contents()
        return [float(label) for label in labels if re.fullmatch(r"[\d.]+", label)]


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Opened]:
    shown = Opened(browser, page)
    yield shown
    shown.context.close()
    assert shown.complaints == []
    assert [url for url in shown.requests if not url.startswith("data:")] == [page.as_uri()]


def test_every_section_is_seen_and_every_picture_has_loaded(opened: Opened, page: Path) -> None:
    for key in read(page).sections:
        assert opened.page.locator(f"section#{key} h2").is_visible()
        assert opened.page.locator(f"section#{key}").bounding_box()["height"] > 80
    widths = opened.page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
    assert len(widths) >= 5
    assert min(widths) > 100


def test_a_hover_tells_the_values_of_every_chart(opened: Opened, run: Run) -> None:
    opened.hover("Loss", 0.99)
    row = json.loads(run.folder.metrics.read_text().splitlines()[-1])
    tip = opened.chart("Loss").locator(".tip")
    assert tip.is_visible()
    told = tip.inner_text()
    assert "epoch 3" in told
    assert f"{row['train_loss']:.4g} train" in told
    assert f"{row['val_loss']:.4g} validation" in told
    beside = opened.chart("Accuracy").locator(".tip")
    assert f"{round(100 * row['val_accuracy'], 2):g} % validation" in beside.inner_text()
    opened.page.mouse.move(5, 5)
    assert not tip.is_visible()


def test_a_drag_zooms_all_charts_and_a_double_click_shows_all(opened: Opened) -> None:
    whole = opened.epochs("Loss")
    assert {1, 2, 3} <= set(whole)
    opened.hover("Loss", 0.45)
    opened.page.mouse.down()
    opened.hover("Loss", 0.65)
    opened.page.mouse.up()
    for title in ("Loss", "Accuracy"):
        seen = opened.epochs(title)
        assert 2 in seen or seen == [2]
        assert 1 not in seen
        assert 3 not in seen
    opened.chart("Accuracy").locator(".canvas").dblclick()
    assert opened.epochs("Loss") == whole


def test_a_touch_tells_the_values_and_they_stay(browser: Any, page: Path) -> None:
    shown = Opened(browser, page, viewport={"width": 360, "height": 700}, has_touch=True)
    canvas = shown.chart("Loss").locator(".canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    shown.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 100)
    tip = shown.chart("Loss").locator(".tip")
    assert "epoch 2" in tip.inner_text()
    assert tip.is_visible()
    inside = tip.bounding_box()
    assert inside["x"] >= 0
    assert inside["x"] + inside["width"] <= 360
    shown.context.close()


def test_buttons_zoom_hide_lines_and_bend_the_axis(opened: Opened) -> None:
    chart = opened.chart("Loss")
    reset = chart.get_by_role("button", name="Show everything")
    assert reset.is_disabled()
    chart.get_by_role("button", name="Zoom in").click()
    assert reset.is_enabled()
    reset.click()
    assert chart.locator("path.line").count() == 2
    key = chart.get_by_role("button", name="validation")
    key.click()
    assert key.get_attribute("aria-pressed") == "false"
    assert chart.locator("path.line").count() == 1
    before = chart.locator("path.line").get_attribute("d")
    chart.get_by_role("button", name="Logarithmic scale").click()
    assert chart.locator("path.line").get_attribute("d") != before


def test_the_keyboard_reaches_the_curves_and_walks_along_them(opened: Opened) -> None:
    canvas = opened.chart("Loss").locator(".canvas")
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        if canvas.evaluate("element => element === document.activeElement"):
            break
    else:
        pytest.fail("Tab never came to the chart")
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowRight")
    said = opened.chart("Loss").locator("[aria-live]").inner_text()
    assert said.startswith("epoch 2")
    assert "validation" in said
    whole = opened.epochs("Loss")
    opened.page.keyboard.press("+")
    assert opened.epochs("Loss") != whole
    opened.page.keyboard.press("0")
    assert opened.epochs("Loss") == whole


def test_tables_sort_by_their_numbers(opened: Opened) -> None:
    table = opened.page.locator("section#classes table.sortable")
    recalls = table.locator("tbody tr td:nth-child(3)")
    table.get_by_role("button", name="recall").click()
    told = [float(text) for text in recalls.all_inner_texts()]
    assert told == sorted(told, reverse=True)
    table.get_by_role("button", name="recall").click()
    assert [float(text) for text in recalls.all_inner_texts()] == sorted(told)
    assert table.locator("th[aria-sort=ascending]").inner_text().startswith("recall")


def test_a_picture_grows_and_goes_at_escape(opened: Opened) -> None:
    button = opened.page.get_by_role("button", name="Enlarge").first
    button.click()
    grown = opened.page.locator("dialog img")
    assert grown.is_visible()
    assert grown.bounding_box()["width"] == pytest.approx(
        float(grown.get_attribute("width")), abs=1
    )
    opened.page.keyboard.press("Escape")
    assert not grown.is_visible()
    assert button.evaluate("element => element === document.activeElement")


def test_lines_are_copied(browser: Any, page: Path) -> None:
    shown = Opened(browser, page, permissions=["clipboard-read", "clipboard-write"])
    shown.page.locator("section#repeat button.copy").first.click()
    shown.page.get_by_role("button", name="Copied").wait_for()
    copied = shown.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("handloom train bars.toml")
    shown.context.close()


@pytest.mark.parametrize("width", [320, 360, 1920])
def test_no_width_makes_the_page_wider_than_itself(
    browser: Any, hostile: Run, tmp_path: Path, width: int
) -> None:
    page = write_report(hostile, tmp_path / "hostile.html")
    shown = Opened(browser, page, viewport={"width": width, "height": 700})
    fits = f"innerWidth === {width} && document.documentElement.scrollWidth === {width}"
    shown.page.wait_for_function(fits)  # charts take their width after the first layout
    size = shown.page.evaluate("getComputedStyle(document.querySelector('main p')).fontSize")
    assert float(size.removesuffix("px")) >= 16
    shown.context.close()


def test_dark_where_the_reader_wants_it(browser: Any, page: Path) -> None:
    ground = {}
    for scheme in ("light", "dark"):
        shown = Opened(browser, page, color_scheme=scheme)
        told = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
        ground[scheme] = sum(map(int, re.findall(r"\d+", told))) / 3
        shown.context.close()
    assert ground["light"] > 200
    assert ground["dark"] < 50


def test_it_prints_light_without_tools(browser: Any, page: Path, tmp_path: Path) -> None:
    shown = Opened(browser, page, color_scheme="dark")
    shown.page.emulate_media(media="print", color_scheme="dark")
    assert not shown.page.locator("nav").is_visible()
    assert not shown.page.locator("button.copy").first.is_visible()
    told = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert told == "rgb(255, 255, 255)"
    assert shown.page.pdf(format="A4").startswith(b"%PDF")
    shown.context.close()


def test_without_a_script_the_figures_are_there(browser: Any, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.as_uri())
    assert plain.get_by_text("switched off here").is_visible()
    plain.locator("details.folded summary").first.click()
    assert plain.locator("details.folded td").first.is_visible()
    context.close()


def test_hostile_texts_do_nothing(browser: Any, hostile: Run, tmp_path: Path) -> None:
    shown = Opened(browser, write_report(hostile, tmp_path / "hostile.html"))
    assert shown.page.title().startswith("a&b <i>'c'")
    assert shown.page.locator(".question").inner_text() == HOSTILE
    assert shown.page.locator("img:not([src^='data:'])").count() == 0
    shown.hover("Loss", 0.5)
    assert shown.complaints == []
    shown.context.close()


def test_the_policy_stops_what_got_in_all_the_same(
    browser: Any, page: Path, tmp_path: Path
) -> None:
    """The second wall: even unescaped, a stranger's script does not run and nothing is fetched."""
    broken = tmp_path / "broken.html"
    injected = "<script>document.title='hacked'</script><img src=http://127.0.0.1:9/x onerror=1>"
    broken.write_text(page.read_text("utf-8").replace("<main>", f"<main>{injected}"), "utf-8")
    shown = Opened(browser, broken)
    assert "hacked" not in shown.page.title()
    assert sum("Content Security Policy" in told for told in shown.complaints) >= 2
    shown.context.close()


# -- what the script computes, asked of it directly -----------------------------------------------


@pytest.fixture(scope="module")
def lasting(browser: Any, page: Path) -> Opened:
    """One page for all that only ask."""
    return Opened(browser, page)


@pytest.mark.parametrize(
    ("low", "high", "is_log", "whole", "expected"),
    [
        (0.0, 1.0, False, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.97, 4.03, False, True, [1, 2, 3, 4]),
        (1.2, 1.8, False, True, []),
        (-0.03, 0.21, False, False, [0, 0.05, 0.1, 0.15, 0.2]),
        (0.0009, 1.1, True, False, [0.001, 0.01, 0.1, 1]),
        (0.04, 2.1, True, False, [0.1, 0.3, 1]),
        (1e-7, 1.0, True, False, [1e-6, 1e-4, 1e-2, 1]),
        (5.0, 5.5, True, False, [5, 5.1, 5.2, 5.3, 5.4, 5.5]),
    ],
)
def test_ticks_are_round_and_few(
    lasting: Opened, low: float, high: float, is_log: bool, whole: bool, expected: list[float]
) -> None:
    settings = [low, high, is_log, whole]
    found = lasting.page.evaluate(
        "([low, high, isLog, whole]) => ticks(makeScale([low, high], [0, 100], isLog), 5, whole)",
        settings,
    )
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.98765, "percent", "98.77 %"), (0.5, "percent", "50 %"), (None, "number", "not finite"),
        (0.123456, "number", "0.1235"), (1234567, "number", "1,235,000"), (0, "number", "0"),
        (1.234e-6, "number", "1.23e−6"), (-0.5, "number", "−0.5"), (2e9, "number", "2e9"),
    ],
)  # fmt: skip
def test_figures_as_a_person_reads_them(
    lasting: Opened, value: float | None, unit: str, told: str
) -> None:
    assert lasting.page.evaluate("([value, unit]) => figure(value, unit)", [value, unit]) == told
