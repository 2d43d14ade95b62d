"""The few type names that every room uses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
UInt8Array = NDArray[np.uint8]
AnyArray = NDArray[Any]
Shape = tuple[int, ...]
"""The shape of one example, without the batch axis N."""
