"""[loss]: what training makes small."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handloom.recipes.schema.table import Fraction, NotNegative, Table

ClassWeights = Annotated[tuple[NotNegative, ...], Field(strict=False, min_length=2)]
"""One weight per class, in the order of the class ids.

The loss of a batch, of an epoch and of a whole part is Σ w[label] l / Σ w[label], and 0 for a batch
whose labels all weigh 0. Mixed images are weighted class by class, and divided by their number.
"""


class CrossEntropy(Table):
    """Of the softmax of what the network gives."""

    name: Literal["cross-entropy"]
    label_smoothing: Fraction = 0.0
    class_weights: ClassWeights | None = None


class NLL(Table):
    """Negative log-likelihood, for a network that ends in log-softmax."""

    name: Literal["nll"]
    class_weights: ClassWeights | None = None


class MSE(Table):
    """Mean squared error against one-hot labels."""

    name: Literal["mse"]


Loss = Annotated[CrossEntropy | NLL | MSE, Field(discriminator="name")]
