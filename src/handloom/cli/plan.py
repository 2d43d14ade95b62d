"""The plan of a compiled training step, as `handloom recipes show RECIPE --plan` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from typing import TYPE_CHECKING

from handloom.cli.output import Voice, console, counted

if TYPE_CHECKING:
    from handloom.loom.network.explain import Explanation, PieceLine, StageLine
    from handloom.recipes import Recipe

PIECES = ("piece", "output", "parameters", "weights kB", "outputs kB", "layers in it")
STAGES = ("phase, piece", "stage", "Mflop", "kB", "µs", "Gflop/s", "share")
ABOUT_PIECES = """\
Layers of one piece make one pass over memory. Weights: parameters and optimizer state;
outputs: activations of a batch and their gradients."""
ABOUT_STAGES = """\
Threads synchronise between phases. In a phase "by groups", a thread takes its group of images from
stage to stage while the data are in its cache; in a "shared" phase, threads divide each stage.
kB: what a stage reads and writes, in the caches or in memory."""
BAR = 8  # characters ...
ROOMY = 100  # ... where a line has so many
EIGHTHS = " ▏▎▍▌▋▊▉█"


def show_plan(recipe: Recipe, voice: Voice) -> None:
    """Compile the recipe's step, measure it, and print what it is made of."""
    from handloom.run.assemble import explain_plan

    plan = explain_plan(recipe)
    voice.answer(asdict(plan))
    voice.say(_sizes(plan))
    voice.say()
    voice.table(PIECES, map(_piece_row, plan.pieces))
    voice.say(f"\n{ABOUT_PIECES}")
    if plan.no_piece:
        voice.say(f"Nothing to compute: {', '.join(plan.no_piece)}.")
    if plan.in_numpy:
        voice.say(f"Run by NumPy within the step, which is therefore not timed: {_listed(plan)}.")
        return
    voice.say()
    voice.table(STAGES, _stage_rows(plan, BAR if console().width >= ROOMY else 0))
    voice.say(f"\n{ABOUT_STAGES}")


def _sizes(plan: Explanation) -> str:
    """Batch, threads, memory, pace: a line each."""
    lines = [
        f"{counted(plan.batch, 'image')} per step, in groups of {plan.group}; "
        f"{counted(plan.threads, 'thread')}, vectors of {counted(plan.lanes, 'value')}",
        f"{plan.parameter_bytes / 1e6:.1f} MB of weights and optimizer state, "
        f"{plan.work_bytes / 1e6:.1f} MB of everything else",
    ]
    if plan.seconds:
        flops = sum(stage.flops for stage in plan.stages)
        lines.append(
            f"{plan.seconds * 1e6:,.0f} µs per step, {flops / 1e6:,.1f} Mflop, "
            f"{flops / plan.seconds / 1e9:,.0f} Gflop/s"
        )
    return "\n".join(lines)


def _listed(plan: Explanation) -> str:
    return ", ".join(plan.in_numpy)


def _piece_row(piece: PieceLine) -> tuple[str, ...]:
    layers = zip(piece.layers, piece.kinds, strict=True)
    return (
        piece.title,
        "×".join(map(str, piece.output)),
        f"{piece.parameters:,}" if piece.parameters else "",
        _kilobytes(piece.parameter_bytes),
        _kilobytes(piece.buffer_bytes),
        " + ".join(f"{path} {kind}" for path, kind in layers),
    )


def _stage_rows(plan: Explanation, bar: int = BAR) -> Iterator[tuple[str, ...]]:
    """Phase by phase, then the time that passes between stages, then the sum.

    `bar` is the length of the longest bar, in characters.
    """
    stages = list(_joined(plan.stages))
    longest = max(stage.share for stage in stages)
    for phase, members in groupby(stages, key=lambda stage: stage.phase):
        before = None
        for stage in members:
            if before is None:
                how = "by groups" if stage.by_group else "shared"
                yield (f"phase {phase}, {how}", *[""] * (len(STAGES) - 1))
            title = "" if stage.layers == before else f"  {stage.piece}"
            yield (
                *((title, stage.title) if stage.piece else (f"  {stage.title}", "")),
                *_costs(stage.flops, stage.bytes, stage.seconds),
                f"{stage.share:5.1%} {_bar(bar * stage.share / longest)}".rstrip(),
            )
            before = stage.layers
    waiting = max(0.0, plan.seconds - sum(stage.seconds for stage in stages))
    title = "waiting for other threads" if plan.threads > 1 else "between the stages"
    yield (title, "", *_costs(0, 0, waiting), f"{waiting / plan.seconds:5.1%}")
    flops, size = (sum(getattr(stage, of) for stage in stages) for of in ("flops", "bytes"))
    yield ("the whole step", "", *_costs(flops, size, plan.seconds), "")


def _joined(stages: tuple[StageLine, ...]) -> Iterator[StageLine]:
    """One stage for neighbours that do the same for a piece: update each of its parameters."""

    def what(stage: StageLine) -> tuple[object, ...]:
        title = "update" if stage.title.startswith("update ") else stage.title
        return stage.phase, stage.layers, title

    for (_, _, title), members in groupby(stages, key=what):
        first, *others = members
        yield replace(
            first,
            title=title,
            flops=first.flops + sum(other.flops for other in others),
            bytes=first.bytes + sum(other.bytes for other in others),
            seconds=first.seconds + sum(other.seconds for other in others),
            share=first.share + sum(other.share for other in others),
        )


def _costs(flops: int, size: int, seconds: float) -> tuple[str, ...]:
    """Operations, bytes, time, pace."""
    return (
        f"{flops / 1e6:,.2f}" if flops else "",
        _kilobytes(size),
        f"{seconds * 1e6:,.1f}",
        f"{flops / seconds / 1e9:,.0f}" if flops and seconds else "",
    )


def _bar(length: float) -> str:
    """A bar of some characters."""
    whole, eighths = divmod(round(8 * length), 8)
    return ("█" * whole + EIGHTHS[eighths]).rstrip()


def _kilobytes(count: int) -> str:
    return f"{count / 1e3:,.1f}" if count else ""
