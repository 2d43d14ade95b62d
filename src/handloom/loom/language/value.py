"""Values whose operators write LLVM instructions: `a + b` does not add, it emits an addition.

A Value is an integer, a real number, a vector of real numbers, or a comparison's answer. A plain
Python number becomes a constant, and a scalar that meets a vector is repeated in every lane, so
that kernels read like NumPy expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from llvmlite import ir

if TYPE_CHECKING:
    from handloom.loom.language.emitter import Emitter

INT = ir.IntType(64)
INT32 = ir.IntType(32)
BYTE = ir.IntType(8)
FLOAT = ir.FloatType()
DOUBLE = ir.DoubleType()
POINTER = ir.PointerType()

FUSE = ("contract",)
"""Lets LLVM make one instruction of a * b + c. Nothing else may change the sums, so that one thread
and many threads give the same weights, bit for bit."""

Operand: TypeAlias = "Value | float"
Index: TypeAlias = "Value | int"


class Splat(ir.Constant):
    """A constant vector whose lanes are all `scalar`, written once instead of in every lane."""

    def __init__(self, kind: ir.VectorType, scalar: ir.Constant) -> None:
        self.type = kind
        self.constant = scalar

    def _get_reference(self) -> str:
        return f"splat ({self.constant})"


def is_real(kind: ir.Type) -> bool:
    """Whether a type holds real numbers: float, double, or a vector of them."""
    if isinstance(kind, ir.VectorType):
        return is_real(kind.element)
    return isinstance(kind, ir.FloatType | ir.DoubleType)


def _operator(for_integers: str | None, for_reals: str | None) -> Any:
    """`a ∘ b` for Values: emit the instruction that fits the operands' type."""

    def emit(self: Value, other: Operand) -> Value:
        return self.e.arithmetic(for_integers, for_reals, self, other)

    return emit


def _reflected(for_integers: str | None, for_reals: str | None) -> Any:
    """The same for `2 * a`, where Python asks the right operand."""

    def emit(self: Value, other: Operand) -> Value:
        return self.e.arithmetic(for_integers, for_reals, other, self)

    return emit


def _comparison(symbol: str) -> Callable[[Value, Operand], Value]:
    return lambda self, other: self.e.compare(symbol, self, other)


class Value:
    """Something that the compiled code will compute; `ir` is LLVM's own name for it."""

    __slots__ = ("e", "ir")

    def __init__(self, e: Emitter, value: Any) -> None:
        self.e = e
        self.ir = value

    def like(self, e: Emitter, value: Any) -> Value:
        """`value` seen as the same sort of thing: a kernel's parameter, a loop's variable."""
        return Value(e, value)

    @property
    def is_vector(self) -> bool:
        """Whether it has lanes."""
        return isinstance(self.ir.type, ir.VectorType)

    __add__, __radd__ = _operator("add", "fadd"), _reflected("add", "fadd")
    __sub__, __rsub__ = _operator("sub", "fsub"), _reflected("sub", "fsub")
    __mul__, __rmul__ = _operator("mul", "fmul"), _reflected("mul", "fmul")
    __truediv__, __rtruediv__ = _operator(None, "fdiv"), _reflected(None, "fdiv")
    __floordiv__, __rfloordiv__ = _operator("sdiv", None), _reflected("sdiv", None)
    __mod__, __rmod__ = _operator("srem", None), _reflected("srem", None)
    __and__, __or__, __xor__ = (
        _operator("and_", None),
        _operator("or_", None),
        _operator("xor", None),
    )
    __rshift__ = _operator("lshr", None)
    __lt__, __gt__ = _comparison("<"), _comparison(">")
    __le__, __ge__ = _comparison("<="), _comparison(">=")
    equals = _comparison("==")


class Pointer(Value):
    """The address of the first of many elements; `p + i` and `p[i]` count in elements."""

    __slots__ = ("kind",)

    def __init__(self, e: Emitter, value: Any, kind: ir.Type) -> None:
        super().__init__(e, value)
        self.kind = kind

    def like(self, e: Emitter, value: Any) -> Pointer:
        """A pointer to elements of the same kind."""
        return Pointer(e, value, self.kind)

    def __add__(self, index: Index) -> Pointer:
        place = self.e.lift(index).ir
        return Pointer(
            self.e, self.e.builder.gep(self.ir, [place], source_etype=self.kind), self.kind
        )

    def __getitem__(self, index: Index) -> Value:
        return Value(self.e, self.e.builder.load((self + index).ir, typ=self.kind))

    def vector(self, index: Index = 0) -> Value:
        """The vector of neighbouring elements that starts at `index`."""
        kind = ir.VectorType(self.kind, self.e.lanes)
        address = (self + index).ir
        return Value(self.e, self.e.builder.load(address, typ=kind, align=self.alignment))

    def __setitem__(self, index: Index, value: Operand) -> None:
        """Store a scalar, or a whole vector of neighbouring elements."""
        stored = self.e.lift(value, self.kind)
        self.e.builder.store(stored.ir, (self + index).ir, align=self.alignment)

    @property
    def alignment(self) -> int:
        """Bytes; no more than an element has, for a vector may start at any element."""
        if isinstance(self.kind, ir.IntType):
            return self.kind.width // 8
        return 4 if isinstance(self.kind, ir.FloatType) else 8
