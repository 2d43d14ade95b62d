"""Draws pictures/house.svg for architecture.md from the imports: python docs/draw_house.py [SRC]

Each box is a room of src/handloom, an arrow an import; an import that follows from others is left
out. A room stands one floor above the highest room that it imports.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
PICTURE = Path(__file__).parent / "pictures" / "house.svg"
WIDTH, BOX, GAP, FLOOR = 640, 46, 14, 78  # units of the drawing
LETTER = 8.2  # width of a letter of a room's name
GROUND = "errors and files"
STYLE = """
text { font: 600 14px system-ui, sans-serif; fill: #1b2733; text-anchor: middle }
.small { font: 11.5px system-ui, sans-serif; fill: #51606f }
rect { fill: #eef4f9; stroke: #2b6ca3; stroke-width: 1.4 }
path { fill: none; stroke: #9aa9b7; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #a5b3c0 }
  rect { fill: #16222d; stroke: #5aa2db } path { stroke: #566675 }
}
"""


def room_of(module: str) -> str:
    """The room of a module below handloom; what has no room of its own lies in the ground."""
    name = module.split(".")[0]
    return GROUND if name.startswith("_") or name == "errors" else name


def read(package: Path) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Lines of each room, and the rooms that each imports."""
    lines: dict[str, int] = {}
    imports: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        if path == package / "__init__.py":
            continue  # the public names, which everybody may have
        room = room_of(path.relative_to(package).with_suffix("").as_posix().replace("/", "."))
        text = path.read_text(encoding="utf-8")
        lines[room] = lines.get(room, 0) + text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("handloom"):
                below = (node.module or "").partition(".")[2]
                named = [below] if below else [alias.name for alias in node.names]
                imports.setdefault(room, set()).update(map(room_of, named))
    return lines, {room: imports.get(room, set()) & lines.keys() - {room} for room in lines}


def floors_of(imports: dict[str, set[str]]) -> dict[str, int]:
    """The floor of each room, from 0; raises RecursionError where imports go round in a circle."""

    @cache
    def floor(room: str) -> int:
        return 1 + max(map(floor, imports[room]), default=-1)

    return {room: floor(room) for room in imports}


def needed(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the imports that follow from others."""

    @cache
    def below(room: str) -> frozenset[str]:
        return frozenset(imports[room]).union(*map(below, imports[room]))

    return {
        room: {one for one in some if not any(one in below(other) for other in some)}
        for room, some in imports.items()
    }


def draw(package: Path) -> str:
    """The picture, as SVG."""
    lines, imports = read(package)
    floors = floors_of(imports)
    top = max(floors.values())
    boxes: dict[str, tuple[float, float, float]] = {}  # middle, top edge, width
    for floor, group in groupby(sorted(floors, key=lambda r: (floors[r], r)), key=floors.get):
        rooms = list(group)
        widths = [max(96.0, LETTER * len(room) + 26) for room in rooms]
        x = (WIDTH - sum(widths) - GAP * (len(rooms) - 1)) / 2
        for room, width in zip(rooms, widths, strict=True):
            boxes[room] = (x + width / 2, 10 + (top - (floor or 0)) * FLOOR, width)
            x += width + GAP
    height = 10 + top * FLOOR + BOX + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The rooms of Handloom and what they import</title>",
        f"<style>{STYLE}</style>",
    ]
    for room, some in needed(imports).items():
        x, y, _ = boxes[room]
        for other in sorted(some):
            to_x, to_y, _ = boxes[other]
            bend = (to_y - y - BOX) / 2
            parts.append(
                f'<path d="M{x:.0f} {y + BOX:.0f} C{x:.0f} {y + BOX + bend:.0f} '
                f'{to_x:.0f} {to_y - bend:.0f} {to_x:.0f} {to_y:.0f}"/>'
            )
    for room, (x, y, width) in boxes.items():
        parts += [
            f'<rect x="{x - width / 2:.1f}" y="{y:.0f}" width="{width:.1f}" height="{BOX}"/>',
            f'<text x="{x:.1f}" y="{y + 20:.0f}">{escape(room)}</text>',
            f'<text class="small" x="{x:.1f}" y="{y + 36:.0f}">{lines[room]:,} lines</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SRC
    PICTURE.write_text(draw(source / "handloom"), encoding="utf-8")
    print(f"written: {PICTURE}")
