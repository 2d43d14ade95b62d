"""A program under construction: one LLVM module, and kernels that are written once and reused."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

from llvmlite import ir

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.value import DOUBLE, FLOAT, INT, INT32, POINTER, Pointer, Value

Real = Literal["float", "double"]
REALS: dict[Real, ir.Type] = {"float": FLOAT, "double": DOUBLE}


class Program:
    """One LLVM module for `machine`, whose numbers are of type `real`."""

    def __init__(self, machine: Machine, real: Real = "float") -> None:
        self.machine = machine
        self.real = REALS[real]
        self.bits = INT32 if real == "float" else INT  # an integer as large
        self.lanes = machine.lanes(real)
        self.module = ir.Module(name="loom")
        self.module.triple = machine.triple
        self.module.data_layout = machine.data_layout
        self._kernels: dict[object, Any] = {}
        self._tables: dict[object, Any] = {}

    def declare(self, name: str, signature: Any) -> Any:
        """A function that is defined elsewhere: an LLVM intrinsic, a C function."""
        return self.module.globals.get(name) or ir.Function(self.module, signature, name)

    def table(self, numbers: tuple[float, ...]) -> Any:
        """The address of constants in memory, filled up with zeros to whole vectors."""
        key = tuple(map(float.hex, map(float, numbers)))  # tells -0 from 0
        if key not in self._tables:
            padded = [*numbers, *[0.0] * self.lanes]
            kind = ir.ArrayType(self.real, len(padded))
            constant = ir.GlobalVariable(self.module, kind, f"table.{len(self._tables)}")
            constant.initializer = ir.Constant(kind, padded)  # type: ignore[assignment]
            constant.global_constant = True
            constant.linkage = "internal"
            self._tables[key] = constant
        return self._tables[key]

    def entry(self, name: str, body: Callable[..., None], **parameters: ir.Type | None) -> None:
        """A function that Python calls; each parameter points to the type given, None = integer."""
        samples = [
            Value(None, ir.Constant(INT, 0))  # type: ignore[arg-type]
            if kind is None
            else Pointer(None, ir.Constant(POINTER, None), kind)  # type: ignore[arg-type]
            for kind in parameters.values()
        ]
        self._define(name, samples, body)

    def kernel(
        self, body: Callable[..., None], arguments: list[Value], constants: Any, lanes: int
    ) -> Any:
        """The native function of `body` for these constants and vectors of so many lanes; written
        when first asked for."""
        kinds = tuple(getattr(argument, "kind", argument.ir.type) for argument in arguments)
        key = body, kinds, tuple(sorted(constants.items())), lanes
        if key not in self._kernels:
            function = self._define(
                f"{body.__name__}.{len(self._kernels)}",
                arguments,
                lambda e, *values: body(e, *values, **constants),
                lanes,
            )
            # A copy at each call would only cost compile time and instruction cache.
            function.linkage = "internal"
            function.attributes.add("noinline")
            self._kernels[key] = function
        return self._kernels[key]

    def _define(
        self, name: str, like: list[Value], body: Callable[..., None], lanes: int | None = None
    ) -> Any:
        """A new function whose parameters are of the sort of the values `like`."""
        signature = ir.FunctionType(ir.VoidType(), [value.ir.type for value in like])
        function = ir.Function(self.module, signature, name)
        e = Emitter(self, function, lanes)
        body(e, *[value.like(e, own) for value, own in zip(like, function.args, strict=True)])
        e.builder.ret_void()
        return function


def kernel(body: Callable[..., None]) -> Callable[..., None]:
    """Make `body(e, *values, **constants)` a native function of its own.

    Calling it from another function's body emits a call. Each different set of `constants` gives
    one native function: a template, in the C++ sense. Integers among the values may be Python's; a
    real number is passed as `e.number(x)`.
    """

    @wraps(body)
    def emit_call(e: Emitter, *arguments: Any, **constants: Any) -> None:
        values = [e.lift(argument) for argument in arguments]
        e.call(e.program.kernel(body, values, constants, e.lanes), values)

    return emit_call
