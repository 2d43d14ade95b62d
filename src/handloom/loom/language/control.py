"""Loops, written by Python's own `for`: each generator emits a native loop around the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from handloom.loom.language.value import Index, Value


class Control:
    """The emitter's loops.

    `carry` is the list of the values that a body changes from turn to turn: assign to its items.
    They live in registers; there is no variable in memory to load and store.
    """

    builder: Any
    function: Any
    lift: Callable[..., Value]

    def repeat(self, test: Callable[[], Value], carry: list[Value]) -> Iterator[None]:
        """`for _ in e.repeat(test, carry):` emits `while test(): body`."""
        before, builder = self.builder.block, self.builder
        head, body, after = (self.function.append_basic_block(n) for n in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        phis = [builder.phi(value.ir.type) for value in carry]
        for phi, value in zip(phis, carry, strict=True):
            phi.add_incoming(value.ir, before)
        top = [value.like(value.e, phi) for value, phi in zip(carry, phis, strict=True)]
        carry[:] = top
        builder.cbranch(test().ir, body, after)
        builder.position_at_end(body)
        yield
        for phi, value in zip(phis, carry, strict=True):
            phi.add_incoming(value.ir, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        carry[:] = top

    def range(
        self,
        start: Index,
        stop: Index | None = None,
        step: int = 1,
        carry: list[Value] | None = None,
    ) -> Iterator[Value]:
        """`for i in e.range(n):` emits a loop whose body is what the Python body emits."""
        first, last = (0, start) if stop is None else (start, stop)
        carried = [] if carry is None else carry
        state = [self.lift(first), *carried]
        for _ in self.repeat(lambda: state[0] < last, state):
            i, carried[:] = state[0], state[1:]
            yield i
            state[:] = [i + step, *carried]
        carried[:] = state[1:]

    def unrolled(
        self, count: Index, factor: int, carry: list[Value] | None = None
    ) -> Iterator[Value]:
        """Like range(count), but `factor` copies of the body a turn, and one for the rest."""
        whole = count - count % factor
        for i in self.range(0, whole, factor, carry):
            for copy in range(factor):
                yield i + copy
        if isinstance(count, Value) or whole < count:
            yield from self.range(whole, count, 1, carry)
