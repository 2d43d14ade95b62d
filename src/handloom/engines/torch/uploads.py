"""From the host to the device."""

from __future__ import annotations

import torch
from torch import Tensor

from handloom._typing import AnyArray


def uploaded(array: AnyArray, device: torch.device) -> Tensor:
    """A copy of the array on the device; from pinned memory where that spares the host a wait."""
    tensor = torch.tensor(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
