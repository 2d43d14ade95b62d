"""A trained network and all that predicting takes, which is what crosses to other tools."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from handloom import __version__, nn
from handloom._typing import Shape
from handloom.data import Normalisation
from handloom.recipes import to_toml
from handloom.run.results import Run

FORMAT = 1
"""Of the entries that `about` gives; a change that an older reader would misread counts it up."""


@dataclass(frozen=True)
class PortableClassifier:
    """uint8 images -> normalisation -> network -> a score for each class."""

    name: str
    """What the run is called."""
    network: nn.Sequential
    """(N, C, H, W) -> (N, K), in evaluation mode."""
    image_shape: Shape
    """(C, H, W)."""
    class_names: tuple[str, ...]
    """K names in the order of the class ids."""
    normalisation: Normalisation
    """What the network was trained to see of an image."""
    recipe: str
    """How it was trained, as TOML."""

    @classmethod
    def of(cls, run: Run) -> PortableClassifier:
        """The best weights of a run; raises CheckpointError where they are damaged."""
        return cls(
            name=run.path.resolve().name,
            network=run.model,
            image_shape=run.image_shape,
            class_names=run.class_names,
            normalisation=run.normalisation,
            recipe=to_toml(run.recipe),
        )

    def about(self) -> dict[str, str]:
        """What a file tells of itself in its metadata; what is no plain text is JSON."""
        return {
            "handloom_format": str(FORMAT),
            "handloom_version": __version__,
            "name": self.name,
            "class_names": _json(list(self.class_names)),
            "image_shape": _json(list(self.image_shape)),
            "normalisation": _json(self.normalisation.to_json()),
            "recipe": self.recipe,
        }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
