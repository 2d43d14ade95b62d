"""[model]: a network by name, or "sequential": layer by layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from handloom.recipes.schema.layers import InitName, Row
from handloom.recipes.schema.table import (
    Count,
    Counts,
    Flag,
    Fraction,
    Probability,
    Share,
    Table,
    refuse,
    said,
)


def _is_6n_plus(offset: int) -> AfterValidator:
    """What a depth is, of which each of three stages has its third: n blocks of two layers."""

    def check(depth: int) -> int:
        if depth < 6 + offset or depth % 6 != offset:
            raise ValueError
        return depth

    return AfterValidator(check)


CifarDepth = Annotated[int, _is_6n_plus(2), Field(le=1000), said("6n + 2, such as 20, 32 or 56")]
WideDepth = Annotated[int, _is_6n_plus(4), Field(le=1000), said("6n + 4, such as 16, 28 or 40")]
Activation = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "sigmoid", "tanh"]


class MLP(Table):
    """Linear layers `hidden` units wide, then one for the classes."""

    name: Literal["mlp"]
    hidden: Counts
    activation: Activation = "relu"
    negative_slope: Probability = 0.01  # of leaky-relu
    dropout: Fraction = 0.0
    norm: Literal["batch", "layer"] | None = None
    init: InitName | None = None  # none: what suits the activation


class LeNet(Table):
    """Convolutions, each followed by pooling, then linear layers `hidden` units wide."""

    name: Literal["lenet"]
    channels: Counts = (6, 16)
    kernel_size: Count = 5
    hidden: Counts = (128, 64)
    activation: Activation = "leaky-relu"
    negative_slope: Probability = 0.01
    dropout: Fraction = 0.0  # between the linear layers
    init: InitName | None = None


class ResNet(Table):
    """ResNet-18 or -34; "small" for images of 28 or 32 pixels, "imagenet" for 224."""

    name: Literal["resnet"]
    depth: Annotated[Literal[18, 34], said("18 or 34")] = 18
    form: Literal["small", "imagenet"] = "small"
    resize: Count | None = None  # pixels a side, to which images are brought first
    width: Count = 64  # channels of the first stage
    zero_init_residual: Flag = False  # every block starts as its shortcut


class ResNetCifar(Table):
    """The narrow ResNet of depth 6n + 2 for images of 28 or 32 pixels."""

    name: Literal["resnet-cifar"]
    depth: CifarDepth = 20
    width: Count = 16  # channels of the first stage
    zero_init_residual: Flag = False


class WideResNet(Table):
    """A wide ResNet of depth 6n + 4, `widen` times as wide as the narrow one."""

    name: Literal["wide-resnet"]
    depth: WideDepth = 16
    widen: Count = 4
    dropout: Fraction = 0.0  # between the two convolutions of a block


class VGG(Table):
    """3×3 convolutions, `convolutions` of them at each width in `channels`, then linear layers."""

    name: Literal["vgg"]
    channels: Counts = (64, 128, 256)
    convolutions: Counts = (2, 2, 2)
    hidden: Counts = (256,)
    activation: Activation = "relu"
    negative_slope: Probability = 0.01
    batch_norm: Flag = True
    conv_dropout: Fraction = 0.0  # behind each pooling
    dropout: Fraction = 0.0  # between the linear layers
    init: InitName | None = None

    @model_validator(mode="after")
    def _blocks_agree(self) -> VGG:
        if len(self.convolutions) != len(self.channels):
            refuse(
                f"convolutions has {len(self.convolutions)} numbers and channels "
                f"{len(self.channels)}; each number of channels needs one of convolutions"
            )
        return self


class DenseNet(Table):
    """Blocks of layers that each see all that was found before them, `growth` channels a layer."""

    name: Literal["densenet"]
    blocks: Counts = (16, 16, 16)
    growth: Count = 12
    compression: Share = 0.5  # of the channels, between two blocks
    dropout: Fraction = 0.0
    form: Literal["small", "imagenet"] = "small"
    resize: Count | None = None


class Sequential(Table):
    """The layers in `layers`, one after the other; the last one gives a number for each class."""

    name: Literal["sequential"]
    layers: Row


Model = Annotated[
    MLP | LeNet | ResNet | ResNetCifar | WideResNet | VGG | DenseNet | Sequential,
    Field(discriminator="name"),
]
