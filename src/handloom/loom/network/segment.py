"""Some layers of a network, compiled, where their neighbours are not: a custom layer, another loss.

The native code then stops in between: `forward` gives the outputs, `backward` takes ∂loss/∂outputs
and leaves the gradients of the parameters beside them, for an optimizer outside.
"""

from __future__ import annotations

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import Program, kernel
from handloom.loom.language.value import INT, Pointer, Value
from handloom.loom.native.team import Team
from handloom.loom.network.plan import Plan
from handloom.loom.network.step import write_stages
from handloom.loom.piece import Step
from handloom.loom.tensor import Arrival, Tensor


@kernel
def take_errors(
    e: Emitter, given: Pointer, errors: Pointer, y: Pointer, *, size: int, arrival: Arrival
) -> None:
    """∂loss/∂outputs of one example as the errors of what went into the last activation."""
    for i in e.range(size):
        errors[i] = given[i]
    for i in e.range(0, size, e.lanes):
        arrival.store(e, errors, i, errors.vector(i), y + i)


def segment_program(plan: Plan, program: Program) -> None:
    """Define the entry `run` for one batch, forward or, if `back` is 1, backward.

    run(me, threads, back, examples, done, parameters, work, arrivals, given, chosen, result):
    forward, `given` are the inputs (examples, ...) and `result` the outputs (examples, K);
    backward, `given` is ∂loss/∂outputs and `result` ∂loss/∂inputs, if anyone asks for it.
    """

    def body(
        e: Emitter, me: Value, threads: Value, back: Value, examples: Value, done: Value,
        parameters: Pointer, work: Pointer, arrivals: Pointer, given: Pointer,
        chosen: Pointer, result: Pointer,
    ) -> None:  # fmt: skip
        team = Team(e, me, threads, arrivals)
        step = Step(e, team, plan.arena, parameters, work, parameters, examples, done)
        with e.when(back.equals(0)):
            write_stages(step, plan, plan.prepare)
            team.meet()
            write_stages(step, plan, [plan.gather.stage(given, chosen), *plan.forward])
            team.meet()
            plan.copy_outputs(step, result, team.share(plan.sizes.batch))
        with e.when(back.equals(1)):
            _take_all_errors(step, plan, given)
            team.meet()
            write_stages(step, plan, plan.backward())
            team.meet()
            write_stages(step, plan, plan.update)
            if plan.request.input_errors:
                _copy_errors(step, plan.input, result)

    program.entry(
        "run", body, me=None, threads=None, back=None, examples=None, done=None,
        parameters=program.real, work=program.real, arrivals=INT, given=program.real,
        chosen=INT, result=program.real,
    )  # fmt: skip


def _take_all_errors(step: Step, plan: Plan, given: Pointer) -> None:
    """Errors of all examples; those that are not there have none."""
    e, scores = step.e, plan.scores
    row, arrival = scores.rows.row, scores.arrival()
    errors, values = step.errors(scores, 0), step.values(scores, 0)
    for i in step.team.share(plan.sizes.groups * plan.sizes.group):
        with e.when(i < step.count):
            take_errors(
                e, given + i * plan.classes, errors + i * row, values + i * row,
                size=plan.classes, arrival=arrival,
            )  # fmt: skip
        with e.when(step.count < i + 1):
            for c in e.range(0, plan.classes, e.lanes):
                errors[i * row + c] = e.zero


def _copy_errors(step: Step, source: Tensor, result: Pointer) -> None:
    """∂loss/∂inputs as (examples, ...), in the public order."""
    for i in step.team.share(source.sizes.groups * source.sizes.group):
        with step.e.when(i < step.count):
            (_copy_maps if source.is_maps else _copy_rows)(step, source, i, result)


def _copy_rows(step: Step, source: Tensor, i: Value, result: Pointer) -> None:
    (features,) = source.shape
    errors = step.errors(source, 0) + i * source.rows.row
    for k in step.e.range(features):
        result[i * features + k] = errors[k]


def _copy_maps(step: Step, source: Tensor, i: Value, result: Pointer) -> None:
    e, maps, group = step.e, source.error_maps, source.sizes.group
    errors = step.errors(source, i // group) + i % group
    target = result + i * (maps.channels * maps.height * maps.width)
    for c in e.range(maps.channels):
        for y in e.range(maps.height):
            for x in e.range(maps.width):
                place = (c * maps.height + y) * maps.width + x
                target[place] = errors[c * maps.plane + y * maps.row + x * maps.lanes]
