"""How the standings of a bench are shown: tables, and what the picture is made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handloom.cli.output import Voice, counted

if TYPE_CHECKING:
    from benchmarks.contest import Entry
    from benchmarks.figure import Pace
    from benchmarks.roofline import Roof
    from benchmarks.standing import Standing

COLUMNS = (
    "implementation", "threads", "µs a step", "least", "most", "images/s", "to PyTorch", "of roof",
    "off by",
)  # fmt: skip
SUMMARY = ("", "ours, µs", "PyTorch, µs", "ratio", "best peer, µs", "ratio", "of roof", "best peer")


def roof_in_words(roof: Roof) -> str:
    """Peak and bandwidths, in a line."""
    speeds = ", ".join(
        f"{bandwidth.bytes_per_second / 1e9:.0f} GB/s over {bandwidth.size / 1e6:.1f} MB"
        for bandwidth in roof.bandwidths
    )
    peak = roof.operations_per_second / 1e9
    return f"roof, {counted(roof.threads, 'thread')}: {peak:.0f} GFLOP/s; {speeds}"


def show_summary(voice: Voice, standings: Sequence[Standing]) -> None:
    """A row a workload, where there are several: ours against PyTorch and the best of all peers."""
    if len(standings) > 1:
        voice.say()
        voice.table(SUMMARY, map(_summary, standings))


def show_standing(voice: Voice, standing: Standing) -> None:
    """A row for everybody who was timed, a line for those who were not."""
    workload, pictures = standing.contest.workload, standing.contest.pictures
    turns = max((len(entry.seconds) for entry in standing.ranking), default=0)
    pictures += f"; {counted(turns, 'turn')} each"
    if noisy := standing.contest.noisy_turns:
        pictures += f"; {counted(noisy, 'turn')} on a busy machine"
    voice.say(f"\n{workload.name}  {workload.title}, batch {workload.batch_size}  ({pictures})")
    voice.table(COLUMNS, [_row(standing, entry) for entry in standing.ranking if entry.seconds])
    for entry in standing.ranking:
        if entry.error is not None:
            voice.say(f"{entry.contestant.name}, {entry.contestant.threads}: {entry.error}")


def _row(standing: Standing, entry: Entry) -> tuple[str, ...]:
    from benchmarks.standing import ratio

    return (
        entry.contestant.name,
        str(entry.contestant.threads),
        _us(entry.median),
        _us(min(entry.seconds)),
        _us(max(entry.seconds)),
        f"{standing.contest.workload.batch_size / entry.median:,.0f}",
        _times(ratio(standing.torch, entry)),
        _share(standing.share_of_roof(entry)),
        "" if entry.deviation is None else f"{entry.deviation:.0e}",
    )


def _summary(standing: Standing) -> tuple[str, ...]:
    from benchmarks.standing import ratio

    ours, torch, peer = standing.ours, standing.torch, standing.peer
    return (
        standing.contest.workload.name,
        _us(None if ours is None else ours.median),
        _us(None if torch is None else torch.median),
        _times(ratio(torch, ours)),
        _us(None if peer is None else peer.median),
        _times(ratio(peer, ours)),
        _share(None if ours is None else standing.share_of_roof(ours)),
        "" if peer is None else peer.contestant.name,
    )


def _us(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e6 * seconds:,.0f}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}×"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"


def pace_of(standing: Standing) -> Pace:
    """What is drawn of it."""
    from benchmarks.figure import Pace, PaceRow

    workload = standing.contest.workload
    roof = standing.roof_seconds(max(e.contestant.threads for e in standing.contest.entries))
    return Pace(
        f"{workload.name}  {workload.title}, batch {workload.batch_size}",
        tuple(
            PaceRow(
                f"{entry.contestant.name} · {counted(entry.contestant.threads, 'thread')}",
                1e6 * entry.median,
                entry.contestant.family,
            )
            for entry in standing.ranking
            if entry.seconds
        ),
        None if roof is None else 1e6 * roof,
    )
