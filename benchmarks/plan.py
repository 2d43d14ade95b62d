"""How long a run takes: from the time its peers take to start, and what their compilers take."""

from __future__ import annotations

from benchmarks.contest import Rules
from benchmarks.contestants import OURS, REFERENCE
from benchmarks.lineup import Lineup
from benchmarks.quiet import LOOK, SHARE_OF_WAITING
from benchmarks.roofline import PRODUCT_SIDES, SECONDS, TRIAD_BYTES
from benchmarks.roofline import ROUNDS as ROOF_ROUNDS
from benchmarks.scout import TURNS, by_kind
from benchmarks.workloads import Workload

TYPICAL_START = 0.45  # seconds that ours takes to start on the machine of the numbers below
FINDING = 0.7  # of a turn: the steps that find out how many make a turn
CHECKING = 0.6  # seconds: pictures are read, three steps made, weights written and compared


def slowness(lineup: Lineup) -> float:
    """How many times as long as on that machine things take here and now."""
    return lineup.starting[OURS] / TYPICAL_START


def expected_seconds(lineup: Lineup, workload: Workload, rules: Rules) -> float:
    """What one workload takes, about: its scouting, its checks and its turns."""
    slow = slowness(lineup)
    kinds = by_kind(lineup.rows[workload.name])
    tried = [row for same in kinds.values() if len(same) > 1 for row in same]
    started = {(row.family, frozenset(row.environment.items())) for row in tried}
    scouting = sum(lineup.starting[family] for family, _ in started) + sum(
        slow * row.setup + (TURNS + FINDING) * rules.scouting_seconds for row in tried
    )
    entries = [same[0] for same in kinds.values()]
    reference = REFERENCE if REFERENCE in lineup.starting else OURS
    answers = 1 + any(row.relu_only for row in entries)
    checking = answers * (lineup.starting[reference] + 3 * slow * CHECKING) + sum(
        lineup.starting[row.family] + slow * (row.setup + CHECKING) + FINDING * rules.seconds
        for row in entries
    )
    turn = rules.seconds * (1 + SHARE_OF_WAITING / 2) + LOOK
    return scouting + checking + rules.rounds * len(entries) * turn


def expected_roof_seconds(lineup: Lineup) -> float:
    """What measuring the machine's limits takes, about; the largest arrays take long to fill."""
    tasks = len(PRODUCT_SIDES) + len(TRIAD_BYTES)
    return sum(
        lineup.starting[row.family] + slowness(lineup) * tasks * (ROOF_ROUNDS + 2) * SECONDS
        for row in lineup.roofers
    )
