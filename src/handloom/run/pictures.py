"""The figures of a run: which part of its data they show, and what becomes of those that fail."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from handloom._typing import AnyArray
from handloom.data import with_channels
from handloom.errors import PictureWarning, RunError
from handloom.nn import Layer
from handloom.run import assemble
from handloom.run.results import Run

if TYPE_CHECKING:
    from handloom.views import Drawing, OnFailure


def draw(run: Run, parts: assemble.Parts) -> list[Path]:
    """Draw all figures of a run into its figures/; returns the files.

    They show its `shown_part`. Raises RunError at the end, when all others are drawn, where one
    could not be: it names that figure and why.
    """
    from handloom.views import Subject, draw_all, probabilities_of

    name = shown_part(run)
    part = parts.test if name == "test" and parts.test is not None else parts.validation
    failed: list[str] = []
    try:
        subject = Subject(
            metrics=run.history.rows,
            monitor=run.recipe.training.monitor,
            model=run.model,
            images=part.images,
            labels=part.labels,
            class_names=part.class_names,
            normalise=run.normalisation,
            seed=run.recipe.seed,
            part=name,
            said=probabilities_of(run.model, run.predict_outputs(part.images)),
            start=_first_model(run),
            dark=_dark_pixels(run, parts),
        )
    except MemoryError as error:
        raise RunError(f"{run.path}: no figure could be drawn: {_reason(error)}") from error
    files = draw_all(
        subject,
        run.folder.own(run.folder.figures),
        on_failure=lambda picture, error: failed.append(f"{picture}.png ({_reason(error)})"),
    )
    if failed:
        rest = "all others were drawn" if files else "the others were not drawn either"
        raise RunError(f"{run.path}: could not be drawn: {', '.join(failed)}; {rest}")
    return files


def shown_part(run: Run) -> str:
    """The part that figures and classes are shown of: "test" where it has been looked at.

    It is "validation" where the data have no test split, and while the training lasts.
    """
    return "test" if run.is_finished and run.data["pictures"]["test"] else "validation"


@contextmanager
def sparing(place: str | Path, again: str = "") -> Iterator[OnFailure]:
    """Within it, figures are drawn of an answer that stands whatever becomes of them.

    Gives what to call with a figure's name and its error. At the end one PictureWarning names
    all that failed, why, and what to do `again`. What the block raises itself is told so too.
    """
    failed: list[str] = []
    try:
        yield lambda name, error: failed.append(f"{name}.png ({_reason(error)})")
    except Exception as error:
        failed.append(f"the figures ({_reason(error)})")
    if failed:
        words = "; ".join(
            filter(None, (f"{place}: could not be drawn: {', '.join(failed)}", again))
        )
        warnings.warn(words, PictureWarning, stacklevel=3)


def png_of(name: str, place: str | Path, draw: Drawing) -> bytes | None:
    """What is drawn, as a file's content; None where that fails, which a PictureWarning tells."""
    from handloom.views import png

    with sparing(place) as on_failure:
        try:
            figure = draw()
            return None if figure is None else png(figure)
        except Exception as error:
            on_failure(name, error)
    return None


def _first_model(run: Run) -> Layer | None:
    """The network before its first step, a function of the recipe; None where weights came in."""
    if not run.history.epochs:
        return None
    return assemble.build_model(run.recipe, run.image_shape, len(run.class_names))


def _dark_pixels(run: Run, parts: assemble.Parts) -> AnyArray | None:
    """(C, H, W): pixels that are zero to the network in all of the training; None where that
    depends on more than the figures."""
    if run.recipe.data.normalise != "scale" or run.recipe.augment is not None:
        return None
    return with_channels(parts.train.images).max(axis=0) == 0


def _reason(error: Exception) -> str:
    """What an error says, in one line; a MemoryError often says nothing."""
    words = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"not enough memory: {words}" if words else "not enough memory"
    return words or type(error).__name__
