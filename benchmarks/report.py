"""The whole of a run as JSON: machine, roofs, and every turn of everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from benchmarks.lineup import Lineup
from benchmarks.roofline import Roof
from benchmarks.standing import Standing
from handloom.run import describe_environment


def describe(
    lineup: Lineup, roofs: Mapping[int, Roof], standings: Sequence[Standing]
) -> dict[str, Any]:
    """What bench.json holds; times in microseconds, roofs in operations and bytes a second."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": describe_environment(threads=lineup.entrants.threads, engine=()),
        "isa": lineup.entrants.isa,
        "absent": lineup.absent,
        "roofs": [asdict(roof) for roof in roofs.values()],
        "workloads": [standing.describe() for standing in standings],
    }
