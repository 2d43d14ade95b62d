"""What a contest comes to: who stands where, against PyTorch, the best peer and the roof."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.contest import Contest, Entry
from benchmarks.roofline import Roof

MICRO = 1e-6


@dataclass(frozen=True)
class Standing:
    """A contest under the roofs of its machine; `roofs` by count of threads."""

    contest: Contest
    roofs: Mapping[int, Roof]

    @property
    def ranking(self) -> list[Entry]:
        """The quickest first; those that were not timed are last."""
        return sorted(self.contest.entries, key=lambda entry: entry.median)

    @property
    def ours(self) -> Entry | None:
        """Our quickest; None where nothing of ours was timed."""
        return _quickest(e for e in self.contest.entries if e.contestant.is_ours)

    @property
    def torch(self) -> Entry | None:
        """PyTorch at its best."""
        return _quickest(e for e in self.contest.entries if e.contestant.family == "torch")

    @property
    def peer(self) -> Entry | None:
        """The best of all peers."""
        return _quickest(e for e in self.contest.entries if not e.contestant.is_ours)

    @property
    def wrong(self) -> list[Entry]:
        """Ours that were refused because their step is another one than PyTorch's."""
        return [e for e in self.contest.entries if e.contestant.is_ours and e.is_wrong]

    def roof_seconds(self, threads: int) -> float | None:
        """The least time of a step on so many threads."""
        roof = self.roofs.get(threads)
        return None if roof is None else roof.seconds(self.contest.workload)

    def share_of_roof(self, entry: Entry) -> float | None:
        """How much of what its threads can do it does; may exceed 1 for Winograd's convolutions."""
        least = self.roof_seconds(entry.contestant.threads)
        return None if least is None or not entry.seconds else least / entry.median

    def describe(self) -> dict[str, Any]:
        """JSON-ready, times in microseconds."""
        workload = self.contest.workload
        return {
            "name": workload.name,
            "title": workload.title,
            "task": workload.task,
            "batch_size": workload.batch_size,
            "pictures": self.contest.pictures,
            "operations": workload.operations(),
            "weight_traffic_bytes": workload.traffic(),
            "noisy_turns": self.contest.noisy_turns,
            "ours_to_torch": ratio(self.torch, self.ours),
            "ours_to_best_peer": ratio(self.peer, self.ours),
            "rows": [self._describe_row(entry) for entry in self.ranking],
        }

    def _describe_row(self, entry: Entry) -> dict[str, Any]:
        row = entry.contestant
        return {
            "name": row.name,
            "family": row.family,
            "threads": row.threads,
            "settings": row.settings,
            "environment": row.environment,
            "note": entry.note,
            "deviation": finite(entry.deviation),
            "error": entry.error,
            "us": finite(entry.median / MICRO),
            "us_of_each_turn": [seconds / MICRO for seconds in entry.seconds],
            "cpu_us_of_each_turn": [seconds / MICRO for seconds in entry.cpu_seconds],
            "images_per_s": finite(self.contest.workload.batch_size / entry.median),
            "to_torch": ratio(self.torch, entry),
            "share_of_roof": self.share_of_roof(entry),
        }


def ratio(other: Entry | None, entry: Entry | None) -> float | None:
    """How many times as quick as `other` is `entry`; None where one of them was not timed."""
    if other is None or entry is None or not (other.seconds and entry.seconds):
        return None
    return other.median / entry.median


def finite(value: float | None) -> float | None:
    """The value, or None where it is no number to print."""
    return value if value is not None and math.isfinite(value) else None


def _quickest(entries: Iterable[Entry]) -> Entry | None:
    timed = [entry for entry in entries if entry.seconds]
    return min(timed, key=lambda entry: entry.median) if timed else None
