"""Figures into files, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from handloom._files import make_folder, remove, write_atomic
from handloom.views.sheet import message_of, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = Callable[[], "Figure | None"]
"""Draws one figure; None where there is nothing of the kind."""

OnFailure = Callable[[str, Exception], None]
"""Called with the name of a figure that could not be drawn or written, and what was raised."""

OnEmpty = Callable[[str, str], None]
"""Called with the name of a figure that would be empty, and why there is nothing to see."""


def save_pictures(
    folder: Path,
    drawings: Iterable[tuple[str, Drawing]],
    on_failure: OnFailure | None = None,
    on_empty: OnEmpty | None = None,
) -> list[Path]:
    """Write what is drawn into `folder` as <name>.png; returns the files, in order.

    With `on_failure`, a figure that fails does not stop the others. With `on_empty`, a page that
    only says why there is nothing to see is not written, and what an earlier call left there goes.
    Raises RunError where the folder cannot be made, or a file cannot be written.
    """
    make_folder(folder, within=None)
    files = []
    for name, drawn in drawings:
        path = folder / f"{name}.png"
        try:
            figure = drawn()
            if figure is None:
                continue
            if on_empty is not None and (why := message_of(figure)):
                remove(path)
                on_empty(name, why)
                continue
            write_atomic(path, png(figure))
            files.append(path)
        except Exception as error:  # whatever it is: a figure is no reason to lose the others
            if on_failure is None:
                raise
            on_failure(name, error)
    return files
