"""The plan of a compiled training step, as `handloom recipes show RECIPE --plan` tells it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from handloom.cli.output import Voice

if TYPE_CHECKING:
    from handloom.loom.explain import Explanation
    from handloom.recipes import Recipe

PIECES = ("piece", "layers", "output", "parameters", "weights kB", "outputs kB")
STAGES = ("phase", "stage", "done by", "Mflop", "kB", "time")
LEGEND = """
The threads share the work of a step and meet between its phases. A stage done by group is fused
with its neighbours: a thread carries a few pictures through all of them, in its cache. A dense
layer's update is part of the product that makes its gradient, which is never written down."""


def show_plan(recipe: Recipe, voice: Voice) -> None:
    """Compile the recipe's step, measure it, and print what it is made of."""
    from handloom.assemble import explain_plan

    plan = explain_plan(recipe)
    voice.answer(asdict(plan))
    voice.say(_summary(plan))
    voice.say()
    voice.table(
        PIECES,
        [
            (
                piece.title,
                ", ".join(piece.layers),
                "×".join(map(str, piece.output)),
                f"{piece.parameters:,}" if piece.parameters else "",
                _kilobytes(piece.parameter_bytes),
                _kilobytes(piece.buffer_bytes),
            )
            for piece in plan.pieces
        ],
    )
    voice.say(LEGEND)
    voice.say()
    voice.table(
        STAGES,
        [
            (
                str(stage.phase),
                stage.title,
                "group" if stage.by_group else "all",
                f"{stage.flops / 1e6:.2f}" if stage.flops else "",
                _kilobytes(stage.bytes),
                f"{stage.share:.1%}",
            )
            for stage in plan.stages
        ],
    )


def _summary(plan: Explanation) -> str:
    """Sizes and pace of a step, in three lines."""
    flops = sum(stage.flops for stage in plan.stages)
    plural = "" if plan.threads == 1 else "s"
    return (
        f"{plan.batch} pictures a step, in groups of {plan.group}; {plan.threads} thread{plural}, "
        f"vectors of {plan.lanes} numbers\n"
        f"{plan.seconds * 1e6:,.0f} µs a step, {flops / 1e6:,.1f} Mflop, "
        f"{flops / plan.seconds / 1e9:,.0f} Gflop/s\n"
        f"{plan.parameter_bytes / 1e6:.1f} MB of weights and what the optimizer keeps of them, "
        f"{plan.work_bytes / 1e6:.1f} MB of everything else"
    )


def _kilobytes(count: int) -> str:
    return f"{count / 1e3:,.1f}" if count else ""
