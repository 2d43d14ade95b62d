"""The emitter writes the body of one native function: numbers, vectors, loops, conditions.

Its loops are generators: the body of `for i in e.range(n):` runs once, now, and what it emits is
the body of a native loop. A plain Python loop, `for m in range(rows):`, unrolls instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from handloom.loom.language.control import Control
from handloom.loom.language.value import FUSE, INT, INT32, Operand, Pointer, Splat, Value, is_real

if TYPE_CHECKING:
    from handloom.loom.language.program import Program


class Emitter(Control):
    """Writes instructions at the end of `function`; `real` is the program's.

    A vector has `lanes` numbers: as many as a register holds, unless another number is asked for.
    """

    def __init__(self, program: Program, function: Any, lanes: int | None = None) -> None:
        self.program = program
        self.function = function
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.real = program.real
        self.lanes = lanes or program.lanes
        self.zero = self.splat(0.0)

    # -- numbers ----------------------------------------------------------------------------------

    def lift(self, value: Operand, kind: ir.Type = INT) -> Value:
        """A Value as it is; a Python number as a constant of the type `kind`."""
        if isinstance(value, Value):
            return value
        return Value(self, ir.Constant(kind, float(value) if is_real(kind) else int(value)))

    def number(self, value: Operand) -> Value:
        """A real number of the program's precision."""
        return self.lift(value, self.real)

    def splat(self, value: Operand) -> Value:
        """The scalar `value` in every lane of a vector."""
        scalar = self.number(value).ir
        kind = ir.VectorType(scalar.type, self.lanes)
        if isinstance(scalar, ir.Constant):
            return Value(self, Splat(kind, scalar))
        nothing = ir.Constant(kind, ir.Undefined)
        vector = self.builder.insert_element(nothing, scalar, ir.Constant(INT32, 0))
        everywhere = ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes)
        return Value(self, self.builder.shuffle_vector(vector, nothing, everywhere))

    def _alike(self, a: Operand, b: Operand) -> tuple[Value, Value]:
        """Both operands as values of one type."""
        kind = next(v.ir.type for v in (a, b) if isinstance(v, Value))
        scalar = kind.element if isinstance(kind, ir.VectorType) else kind
        first, second = self.lift(a, scalar), self.lift(b, scalar)
        if first.is_vector != second.is_vector:
            first = first if first.is_vector else self.splat(first)
            second = second if second.is_vector else self.splat(second)
        return first, second

    def arithmetic(
        self, for_integers: str | None, for_reals: str | None, a: Operand, b: Operand
    ) -> Value:
        """`a ∘ b` by the instruction that fits the operands' type."""
        first, second = self._alike(a, b)
        if is_real(first.ir.type):
            assert for_reals, "no such operation for real numbers"
            return Value(self, getattr(self.builder, for_reals)(first.ir, second.ir, flags=FUSE))
        assert for_integers, "no such operation for integers"
        return Value(self, getattr(self.builder, for_integers)(first.ir, second.ir))

    def compare(self, symbol: str, a: Operand, b: Operand) -> Value:
        """`a < b` and its like; false where one is NaN."""
        first, second = self._alike(a, b)
        test = self.builder.fcmp_ordered if is_real(first.ir.type) else self.builder.icmp_signed
        return Value(self, test(symbol, first.ir, second.ir))

    def where(self, condition: Value, a: Operand, b: Operand) -> Value:
        """a where the condition holds, else b; lane by lane for vectors."""
        if not isinstance(a, Value) and not isinstance(b, Value):
            a = self.splat(a) if condition.is_vector else self.number(a)
        first, second = self._alike(a, b)
        return Value(self, self.builder.select(condition.ir, first.ir, second.ir))

    def max(self, a: Operand, b: Operand) -> Value:
        """The larger one; b where one is NaN."""
        first, second = self._alike(a, b)
        return self.where(first > second, first, second)

    def min(self, a: Operand, b: Operand) -> Value:
        """The smaller one; b where one is NaN."""
        first, second = self._alike(a, b)
        return self.where(first < second, first, second)

    def convert(self, value: Value, instruction: str, kind: ir.Type) -> Value:
        """`value` as another type by LLVM's `instruction`; of a vector, every lane."""
        if value.is_vector:
            kind = ir.VectorType(kind, value.ir.type.count)
        return Value(self, getattr(self.builder, instruction)(value.ir, kind))

    def counting(self) -> Value:
        """The vector 0, 1, 2, ... of real numbers."""
        kind = ir.VectorType(self.real, self.lanes)
        return Value(self, ir.Constant(kind, [float(lane) for lane in range(self.lanes)]))

    def table(self, numbers: Sequence[float]) -> Pointer:
        """Real constants in memory, with zeros behind them to fill a vector."""
        return Pointer(self, self.program.table(tuple(numbers)), self.real)

    # -- functions of the processor ---------------------------------------------------------------

    def intrinsic(self, name: str, result: ir.Type, *values: Value) -> Value:
        """Call an LLVM intrinsic, which becomes the processor's own instruction."""
        arguments = [value.ir for value in values]
        signature = ir.FunctionType(result, [argument.type for argument in arguments])
        return Value(self, self.builder.call(self.program.declare(name, signature), arguments))

    def real_function(self, name: str, *values: Value) -> Value:
        """LLVM's sqrt, fabs, log and so on, of scalars or of each lane."""
        kind = values[0].ir.type
        return self.intrinsic(f"llvm.{name}.{_suffix(kind)}", kind, *values)

    def sqrt(self, x: Value) -> Value:
        """√x, exactly rounded."""
        return self.real_function("sqrt", x)

    def shift_left(self, x: Value, bits: int) -> Value:
        """Integers moved by `bits` binary places."""
        kind = x.ir.type
        amount = [bits] * kind.count if x.is_vector else bits
        return Value(self, self.builder.shl(x.ir, ir.Constant(kind, amount)))

    def shift_right(self, x: Value, bits: int) -> Value:
        """The same to the right; the sign is kept."""
        kind = x.ir.type
        amount = [bits] * kind.count if x.is_vector else bits
        return Value(self, self.builder.ashr(x.ir, ir.Constant(kind, amount)))

    def bits_as(self, x: Value, kind: ir.Type) -> Value:
        """The same bits, read as another type of the same size; `kind` is one lane's."""
        if x.is_vector:
            kind = ir.VectorType(kind, x.ir.type.count)
        return Value(self, self.builder.bitcast(x.ir, kind))

    # -- lanes ------------------------------------------------------------------------------------

    def lane_sum(self, vector: Value) -> Value:
        """The sum of all lanes, as a tree of additions: always the same tree."""
        kind = vector.ir.type
        signature = ir.FunctionType(kind.element, [kind.element, kind])
        add = self.program.declare(f"llvm.vector.reduce.fadd.{_suffix(kind)}", signature)
        start = ir.Constant(kind.element, -0.0)
        return Value(self, self.builder.call(add, [start, vector.ir], fastmath=("reassoc",)))

    def some(self, condition: Value) -> Value:
        """Whether it holds in any lane."""
        kind = condition.ir.type
        name = f"llvm.vector.reduce.or.v{kind.count}i1"
        return self.intrinsic(name, kind.element, condition)

    def lane_max(self, vector: Value) -> Value:
        """The largest of all lanes."""
        return self._lane_fold("fmax", vector)

    def lane_min(self, vector: Value) -> Value:
        """The smallest of all lanes."""
        return self._lane_fold("fmin", vector)

    def _lane_fold(self, name: str, vector: Value) -> Value:
        kind = vector.ir.type
        return self.intrinsic(f"llvm.vector.reduce.{name}.{_suffix(kind)}", kind.element, vector)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """The vector of the given lanes of a (0, 1, ...) and b (which go on counting)."""
        choice = ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes))
        return Value(self, self.builder.shuffle_vector(a.ir, b.ir, choice))

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """A square of numbers, one vector a row, turned: exchange halves, quarters, and so on."""
        turned, lanes, half = list(rows), range(self.lanes), 1
        while half < self.lanes:
            upper = [j + self.lanes - half if j & half else j for j in lanes]
            lower = [j + self.lanes if j & half else j + half for j in lanes]
            for i in (i for i in lanes if not i & half):
                a, b = turned[i], turned[i + half]
                turned[i], turned[i + half] = self.shuffle(a, b, upper), self.shuffle(a, b, lower)
            half *= 2
        return turned

    # -- memory -----------------------------------------------------------------------------------

    def prefetch(self, pointer: Pointer, index: Operand) -> None:
        """Ask for a cache line that will be needed soon."""
        flags = [self.lift(n, INT32) for n in (0, 3, 1)]  # to read, into all caches, data
        self.intrinsic("llvm.prefetch.p0", ir.VoidType(), pointer + index, *flags)  # type: ignore[arg-type]

    def keep_order(self) -> None:
        """Nothing that comes after this is read from memory, or written, before it.

        LLVM likes to load neighbours together, those of the next turn of a loop as well; a sum then
        has to leave its register for them.
        """
        nothing = ir.FunctionType(ir.VoidType(), [])
        self.builder.asm(nothing, "", "~{memory}", [], side_effect=True)

    def atomic_add(self, pointer: Pointer, amount: int) -> Value:
        """Add to a shared integer; returns what it was."""
        old = self.builder.atomic_rmw("add", pointer.ir, self.lift(amount).ir, "seq_cst")
        return Value(self, old)

    def atomic_load(self, pointer: Pointer) -> Value:
        """Read a shared integer."""
        return Value(self, self.builder.load_atomic(pointer.ir, "seq_cst", 8, typ=INT))

    def ticks(self) -> Value:
        """The processor's counter of time; how fast it counts is the processor's affair."""
        return self.intrinsic("llvm.readcyclecounter", INT)

    # -- calls ------------------------------------------------------------------------------------

    @contextmanager
    def vectors_of(self, lanes: int) -> Iterator[None]:
        """`with e.vectors_of(lanes):` emits code whose vectors have so many numbers."""
        before = self.lanes, self.zero
        self.lanes = lanes
        self.zero = self.splat(0.0)
        yield
        self.lanes, self.zero = before

    def call(self, function: Any, arguments: Sequence[Value]) -> None:
        """Call a function of this program."""
        self.builder.call(function, [argument.ir for argument in arguments])

    def external(self, name: str, *numbers: int) -> None:
        """Call a C function of this process, on 32-bit integers; its answer is of no interest."""
        self.intrinsic(name, INT32, *(self.lift(number, INT32) for number in numbers))

    def pause(self) -> None:
        """Tell the processor that this is a loop that waits."""
        name = self.program.machine.pause
        takes = [self.lift(15, INT32)] if "isb" in name else []
        self.intrinsic(name, ir.VoidType(), *takes)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """`with e.when(condition):` emits `if condition:`."""
        with self.builder.if_then(condition.ir):
            yield


def _suffix(kind: Any) -> str:
    """How LLVM abbreviates a type in the name of an intrinsic: f32, v16f32."""
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{kind.element.intrinsic_name}"
    return kind.intrinsic_name
