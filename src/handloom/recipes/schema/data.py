"""[data]: where the images come from and how they are divided. [augment]: how they are varied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from handloom.recipes.schema.table import Count, Flag, Probability, Share, Table, Text, refuse, said

Part = Annotated[
    Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)],
    said("a fraction above 0 and below 1, or a whole number of images"),
]

Folds = Annotated[int, Field(ge=2, le=1000), said("a whole number from 2 to 1,000")]

SOURCES: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "images": ("images", "labels", "test_images", "test_labels"),
    "idx": ("idx",),
    "folder": ("folder",),
}
"""The keys that each source of images is told with; a recipe uses one source."""

Angle = Annotated[float, Field(ge=0, le=180), said("degrees from 0 to 180")]
Scale = Annotated[float, Field(ge=0, le=0.9), said("a number from 0 to 0.9")]
Shear = Annotated[float, Field(ge=0, le=2), said("a number from 0 to 2")]
Pixels = Annotated[int, Field(ge=0, le=64), said("whole pixels from 0 to 64")]
Side = Annotated[int, Field(ge=1, le=4096), said("whole pixels from 1 to 4096")]
Alpha = Annotated[float, Field(ge=0, le=1000), said("pixels from 0 to 1000")]
Sigma = Annotated[float, Field(ge=0.1, le=100), said("pixels from 0.1 to 100")]

BetaAlpha = Annotated[float, Field(ge=0, le=100), said("a number from 0 to 100")]

PATH_KEYS = ("images", "labels", "test_images", "test_labels", "idx", "folder")


class Data(Table):
    """The images: a known set by `name`, `.npy` + `.csv`, a folder of IDX files, or of images.

    `validation` is taken from the training split; `sample` is the share of the rest that is trained
    on. With `folds`, the training split is divided into so many, with each class in proportion, and
    fold number `fold` takes the place of `validation`. Paths are relative to the recipe's file.
    """

    name: Text | None = None
    images: Text | None = None
    labels: Text | None = None
    test_images: Text | None = None
    test_labels: Text | None = None
    idx: Text | None = None
    folder: Text | None = None
    validation: Part = 0.1
    folds: Folds | None = None
    fold: Count | None = None  # counted from 1
    sample: Share = 1.0
    stratify: Flag = False
    normalise: Literal["scale", "standard", "per-picture"] = "scale"

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        given = [
            source
            for source, keys in SOURCES.items()
            if any(getattr(self, key) is not None for key in keys)
        ]
        if len(given) != 1:
            told = f"{' and '.join(given)} are given" if given else "none is given"
            refuse(
                f"exactly one source of images is needed, but {told}; "
                "give name, or images and labels, or idx, or folder"
            )
        if given == ["images"] and (self.images is None or self.labels is None):
            refuse("images and labels go together; one of them is missing")
        if (self.folds is None) != (self.fold is None):
            refuse("folds and fold go together; one of them is missing")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            refuse(f"fold is {self.fold}, but there are {self.folds} folds, counted from 1")
        if self.folds is not None and self.sample < 1.0:
            refuse("folds divide all training images; remove sample")
        if (self.test_images is None) != (self.test_labels is None):
            refuse("test_images and test_labels go together; one of them is missing")
        return self


class Augment(Table):
    """How training images are varied; each amount is the most, drawn anew for each image.

    "on-the-fly" varies every image in every epoch; "append" adds `copies` varied images of
    each to the training split once. Mixing, two images and their labels at a time, is on the fly
    in both.
    """

    mode: Literal["on-the-fly", "append"] = "on-the-fly"
    copies: Count = 1
    rotate: Angle = 0.0
    shift: Probability = 0.0  # of the side, each way
    scale: Scale = 0.0  # 0.1: between 0.9 and 1.1 times the size
    shear: Shear = 0.0  # of the distance from the middle
    flip: Probability = 0.0  # probability of a mirror image, left to right
    crop_padding: Pixels = 0
    erase: Probability = 0.0  # probability that a rectangle is erased
    erase_min: Side = 4  # pixels, a side of the rectangle
    erase_max: Side = 10  # pixels
    elastic_alpha: Alpha = 0.0  # pixels, strength of the displacement
    elastic_sigma: Sigma = 4.0  # pixels, smoothness of the displacement
    noise: Probability = 0.0  # standard deviation, where white is 1
    mixup: BetaAlpha = 0.0  # two images blended, in shares from Beta(mixup, mixup)
    cutmix: BetaAlpha = 0.0  # a rectangle of one in the other, in shares from Beta(cutmix, cutmix)
    mix: Probability = 1.0  # probability that an image is mixed at all

    @model_validator(mode="after")
    def _amounts_agree(self) -> Augment:
        if self.copies != 1 and self.mode != "append":
            refuse('copies is only for mode = "append"')
        if self.mix != 1.0 and not (self.mixup or self.cutmix):
            refuse("mix is only for mixup or cutmix above 0")
        if self.erase_min > self.erase_max:
            refuse(f"erase_min {self.erase_min} is above erase_max {self.erase_max}")
        return self

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with others, and labels with theirs."""
        return bool(self.mix and (self.mixup or self.cutmix))
