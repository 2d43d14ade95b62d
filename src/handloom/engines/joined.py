"""All processes of a training, found and joined: the world of PyTorch's, where they are several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from handloom._optional import require
from handloom.engines.processes import ALONE, Processes, find_place


@contextmanager
def joined() -> Iterator[Processes]:
    """All processes of this training; in the context of another `joined`, the same ones.

    When one process leaves with an error all leave, and one of them raises it; the others end with
    SystemExit. Raises MissingExtraError where they are several and PyTorch is missing.
    """
    place = find_place()
    if place.size == 1:
        yield ALONE
        return
    # Who loses the others tells it in a sentence, without PyTorch's stacks of C++ beside it.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    require("torch", extra="torch")
    from handloom.engines.torch.world import joined_world

    with joined_world(place) as world:
        yield world
