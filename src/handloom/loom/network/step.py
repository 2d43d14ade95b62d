"""From the stages of all pieces to one native step, and a loop of steps.

    prepare | gather, forward ..., loss, backward ... | update ... | report        | = all meet

Stages by groups that follow each other become one loop over groups: a thread carries its groups of
examples through all of them, with what it needs in its own cache, and waits for nobody. Every sum
over examples is added up in the order of the groups, so that the number of threads changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import Program
from handloom.loom.language.value import BYTE, INT, Pointer, Value
from handloom.loom.native.team import Team
from handloom.loom.network.plan import Plan
from handloom.loom.piece import Stage, Step

REPORT = 4
"""Numbers that a step reports: mean loss, hits, sum of squared gradients, and one to spare."""


def training_program(plan: Plan, program: Program) -> None:
    """Define the entry `run`: many training steps on pictures that stay where they are.

    run(me, threads, examples, done, parameters, work, arrivals, pictures, chosen, labels,
    settings, reports): the batches are made of pictures[chosen[i]] with labels[i], i below
    `examples`; `done` steps were made before. It ends early after a loss that is not finite.
    """

    def body(
        e: Emitter, me: Value, threads: Value, examples: Value, done: Value,
        parameters: Pointer, work: Pointer, arrivals: Pointer, pictures: Pointer,
        chosen: Pointer, labels: Pointer, settings: Pointer, reports: Pointer,
    ) -> None:  # fmt: skip
        team = Team(e, me, threads, arrivals)
        batch = plan.sizes.batch
        last = (examples + (batch - 1)) // batch
        state = [e.lift(0), e.lift(0)]  # the step's number, and whether a loss was not finite
        for _ in e.repeat(lambda: (state[0] < last) & state[1].equals(0), state):
            number = state[0]
            first = number * batch
            step = Step(
                e, team, plan.arena, parameters, work,
                settings + number * plan.settings_row,
                e.min(batch, examples - first), number + done,
            )  # fmt: skip
            state[1] = _one_step(
                plan, step, pictures, chosen + first, labels + first, reports + number * REPORT
            )
            state[0] = number + 1

    program.entry(
        "run", body, me=None, threads=None, examples=None, done=None,
        parameters=program.real, work=program.real, arrivals=INT,
        pictures=BYTE if plan.pictures.are_bytes else program.real,
        chosen=INT, labels=INT, settings=program.real, reports=program.real,
    )  # fmt: skip


def _one_step(
    plan: Plan, step: Step, pictures: Pointer, chosen: Pointer, labels: Pointer, report: Pointer
) -> Value:
    """Write one step; gives 1 if its loss was not finite, and then nothing was updated."""
    e, team = step.e, step.team
    team.meet()
    write_stages(step, plan, plan.prepare)
    team.meet()
    label_of = lambda _, i: labels[i]  # noqa: E731  one line says it
    write_stages(step, plan, [plan.gather.stage(pictures, chosen), *plan.chain(label_of)])
    team.meet()
    loss, hits = plan.loss.total(step)
    finite = (loss - loss).equals(0.0)
    with team.first():
        report[0] = loss
        report[1] = hits
    with e.when(finite):
        write_stages(step, plan, plan.update)
        team.meet()
        with team.first():
            report[2] = plan.squares(step)
    return e.where(finite, e.lift(0), e.lift(1))


def prediction_program(plan: Plan, program: Program) -> None:
    """Define the entry `run`: outputs of any number of pictures.

    run(me, threads, examples, parameters, work, arrivals, taken, pictures, chosen, outputs):
    outputs (examples, K), row by row; taken[0] = 0.
    """

    def body(
        e: Emitter, me: Value, threads: Value, examples: Value,
        parameters: Pointer, work: Pointer, arrivals: Pointer, taken: Pointer, pictures: Pointer,
        chosen: Pointer, outputs: Pointer,
    ) -> None:  # fmt: skip
        team = Team(e, me, threads, arrivals)
        whole = Step(
            e, team, plan.arena, parameters, work, parameters, examples, e.lift(0), plan.shift
        )
        write_stages(whole, plan, plan.prepare)
        team.meet()
        if plan.forward_needs_nobody:
            _by_single_groups(plan, whole, taken, pictures, chosen, outputs)
        else:
            _batch_by_batch(plan, whole, pictures, chosen, outputs)

    program.entry(
        "run", body, me=None, threads=None, examples=None,
        parameters=program.real, work=program.real, arrivals=INT, taken=INT,
        pictures=BYTE if plan.pictures.are_bytes else program.real,
        chosen=INT, outputs=program.real,
    )  # fmt: skip


def _by_single_groups(
    plan: Plan, whole: Step, taken: Pointer, pictures: Pointer, chosen: Pointer, outputs: Pointer
) -> None:
    """Each thread takes the next group that nobody has taken, until none is left.

    So nobody waits for a thread that the system has interrupted. Its groups go, one after the
    other, through the memory of the one group that has its own number, which stays in its cache.
    """
    e, me, group = whole.e, whole.team.me, plan.sizes.group
    with e.when(me < plan.sizes.groups):
        first = [e.atomic_add(taken, 1) * group]
        for _ in e.repeat(lambda: first[0] < whole.count, first):
            shift = first[0] - me * group
            step = replace(whole, count=e.min(plan.sizes.groups * group, whole.count - shift))
            for stage in (plan.gather.stage(pictures, chosen + shift), *plan.forward):
                _write(step, plan, stage, me)
            rows = e.range(me * group, e.min(me * group + group, step.count))
            plan.copy_outputs(step, outputs + shift * plan.classes, rows)
            first[0] = e.atomic_add(taken, 1) * group


def _batch_by_batch(
    plan: Plan, whole: Step, pictures: Pointer, chosen: Pointer, outputs: Pointer
) -> None:
    """All threads work on one batch after the other."""
    e, team, batch = whole.e, whole.team, plan.sizes.batch
    for first in e.range(0, whole.count, batch):
        step = replace(whole, count=e.min(batch, whole.count - first))
        team.meet()
        gather = plan.gather.stage(pictures, chosen + first)
        write_stages(step, plan, [gather, *plan.forward])
        team.meet()
        plan.copy_outputs(step, outputs + first * plan.classes, team.share(batch))


def write_stages(step: Step, plan: Plan, stages: Sequence[Stage]) -> None:
    """Write stages, with a meeting wherever one needs what other threads did before it."""
    before: Stage | None = None
    for phase in phases(stages):
        first = phase[0]
        meets = before is None or first.meets or first.by_group or before.by_group
        if before is not None and meets:
            step.team.meet()
        if plan.clock is not None:
            plan.clock.phase += meets
        if first.by_group:
            for group in step.team.share(plan.sizes.groups):
                for stage in phase:
                    _write(step, plan, stage, group)
        else:
            _write(step, plan, first)
        before = first


def _write(step: Step, plan: Plan, stage: Stage, *group: Value) -> None:
    around = nullcontext() if plan.clock is None else plan.clock.around(step, stage)
    with around, step.e.vectors_of(stage.lanes or step.e.program.lanes):
        stage.emit(step, *group)


def phases(stages: Sequence[Stage]) -> Iterator[list[Stage]]:
    """Stages in runs that need no meeting inside: neighbours by groups run as one loop."""
    run: list[Stage] = []
    for stage in stages:
        if run and not (stage.by_group and run[-1].by_group and not stage.meets):
            yield run
            run = []
        run.append(stage)
    if run:
        yield run
