"""Training steps that a GPU is given ahead of its answers, so that it never waits for the host.

Steps go in portions. What a portion tells is read when the next one is on its way; until then it is
not known whether its numbers stayed finite. Where they did not, the weights go back to what they
were before the portion, and whoever trains repeats it with a look at every step.
"""

# pyright: reportPrivateImportUsage=false
# PyTorch documents its functions on lists of tensors, torch._foreach_*, for all their names.

from __future__ import annotations

import torch

from handloom.engines.base import StepReport

PORTION_SECONDS = 0.25
"""How long a portion should take: Ctrl-C waits for two of them, and each costs one copy of the
weights and the slots."""


class Checkpoint:
    """The tensors as they were, to go back to."""

    def __init__(self, tensors: list[torch.Tensor], steps: int) -> None:
        self.steps = steps
        self._tensors = tensors
        self._copies = [tensor.clone() for tensor in tensors]

    def restore(self) -> None:
        """Make the tensors what they were."""
        torch._foreach_copy_(self._tensors, self._copies)


class Portion:
    """Steps that were launched: where they started from, and what they will tell."""

    def __init__(self, start: int, before: Checkpoint) -> None:
        self.start = start
        self.before = before
        self._lrs: list[float] = []
        self._numbers: list[torch.Tensor] = []
        self._event: torch.cuda.Event | None = None
        self._read: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self._lrs)

    def add(self, numbers: torch.Tensor, lr: float) -> None:
        """One more step: its loss, hits and gradient norm (3,), on the device."""
        self._numbers.append(numbers)
        self._lrs.append(lr)

    def send(self) -> None:
        """Start to bring the numbers to the CPU, behind the steps and before all that follows."""
        numbers = torch.stack(self._numbers)
        if numbers.device.type == "cuda":
            self._read = torch.empty_like(numbers, device="cpu", pin_memory=True)
            self._read.copy_(numbers, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()
        else:
            self._read = numbers.cpu()

    def reports(self) -> list[StepReport]:
        """What the steps tell; waits for the last of them."""
        if self._event is not None:
            self._event.synchronize()
        assert self._read is not None, "sent before it is read"
        return [
            StepReport(loss, int(correct), norm, lr)
            for (loss, correct, norm), lr in zip(self._read.tolist(), self._lrs, strict=True)
        ]
