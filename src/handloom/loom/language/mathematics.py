"""exp and its family as vector instructions: the C library would handle one number at a time."""

from __future__ import annotations

import math
import struct

from llvmlite import ir

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import DOUBLE, FLOAT, Value
from handloom.nn._erfc import FAR, MIDDLE, NEAR

_TERMS = {FLOAT: 7, DOUBLE: 13}
"""Degree of the Taylor series that reaches a type's last bit for |r| <= log(2) / 2."""

_LOG_2 = 709 / 1024, 7.6436805994530941723e-4
"""log 2 in two parts: the product of an exponent and the first, short one is exact."""


def exp(e: Emitter, x: Value) -> Value:
    """eˣ = 2ⁿ · eʳ, with the integer n nearest to x / log 2, so that the rest r is small.

    eʳ is Taylor's series, 2ⁿ is written into the exponent's bits. Right to two units in the last
    place; above 0.99 of the type's range x is taken as that limit, and below it eˣ is 0.
    """
    size, mantissa, bias = (32, 23, 127) if e.real == FLOAT else (64, 52, 1023)
    whole = ir.IntType(size)
    limit = _largest(e)
    underflows = x < -limit
    x = e.max(-limit, e.min(limit, x))
    # floor(x / log 2 + 1/2): adding `bias` makes it positive, so that cutting the tail is floor
    n = e.convert(x * (1 / math.log(2)) + (bias + 0.5), "fptosi", whole)
    nearest = e.convert(n, "sitofp", e.real) - bias
    r = x - nearest * _LOG_2[0] - nearest * _LOG_2[1]
    series = e.splat(0.0) if x.is_vector else e.number(0.0)
    for k in reversed(range(_TERMS[e.real] + 1)):
        series = series * r + 1 / math.factorial(k)
    return e.where(underflows, 0.0, series * e.bits_as(e.shift_left(n, mantissa), e.real))


def _largest(e: Emitter) -> float:
    """The largest x of which `exp` is taken."""
    return (127 if e.real == FLOAT else 1023) * math.log(2) * 0.99


def expm1(e: Emitter, x: Value) -> Value:
    """eˣ - 1 for x <= 0; by Taylor's series near 0, where the difference would lose its digits."""
    series = e.splat(0.0) if x.is_vector else e.number(0.0)
    for k in reversed(range(1, _TERMS[e.real] + 3)):
        series = series * x + 1 / math.factorial(k)
    return e.where(x > -0.5, series * x, exp(e, x) - 1.0)


def sigmoid(e: Emitter, x: Value) -> Value:
    """1 / (1 + e⁻ˣ); 0 where e⁻ˣ overflows, so that x · σ(x) goes to 0 for any x."""
    return e.where(x < -_largest(e), 0.0, 1.0 / (1.0 + exp(e, 0.0 - x)))


def tanh(e: Emitter, x: Value) -> Value:
    """-t / (t + 2) with t = e⁻²ˣ - 1 for x >= 0, and the other way round for x < 0."""
    t = expm1(e, 2.0 * e.min(x, 0.0 - x))
    y = t / (t + 2.0)
    return e.where(x < 0.0, y, 0.0 - y)


def erfc(e: Emitter, x: Value) -> Value:
    """1 - erf x, by the same quotients of polynomials as `nn`'s: near 0, in the middle, far out."""
    z = e.min(30.0, e.max(x, 0.0 - x))
    square, inverse = z * z, 1.0 / e.max(z * z, 1.0)
    bits, mask = _CUT[e.real]
    short = e.bits_as(e.bits_as(z, bits) & mask, e.real)
    bell = exp(e, 0.0 - short * short) * exp(e, 0.0 - (z - short) * (z + short))
    near = 1.0 - z * _quotient(NEAR, square)
    middle = bell * _quotient(MIDDLE, z)
    far = bell / e.max(z, 1.0) * (1.0 / math.sqrt(math.pi) - inverse * _quotient(FAR, inverse))
    y = e.where(z > 4.0, far, e.where(z > 0.46875, middle, near))
    return e.where(x < 0.0, 2.0 - y, y)


_CUT = {FLOAT: (ir.IntType(32), ~0xFFF), DOUBLE: (ir.IntType(64), ~0x7FFFFFF)}
"""What cuts a number to half of its digits, so that its square is exact."""


def _quotient(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Value) -> Value:
    """A quotient of polynomials, each given with the highest power first."""
    numerator, denominator = (_horner(coefficients, x) for coefficients in polynomials)
    return numerator / denominator


def _horner(coefficients: tuple[float, ...], x: Value) -> Value:
    y = x * 0.0 + coefficients[0]
    for coefficient in coefficients[1:]:
        y = y * x + coefficient
    return y


def log(e: Emitter, x: Value) -> Value:
    """log x = k log 2 + log m for x = m 2ᵏ > 0, with m between √½ and √2.

    log m = 2 artanh f with f = (m - 1) / (m + 1), whose odd series ends soon as |f| <= 0.172.
    """
    size, mantissa = (32, 23) if e.real == FLOAT else (64, 52)
    bits = e.bits_as(x, ir.IntType(size))
    # Counted from √½, the exponent is that of the m nearest to 1.
    root = _bits_of_root_half(size)
    k = e.shift_right(bits - root, mantissa)
    m = e.bits_as(bits - e.shift_left(k, mantissa), e.real)
    f = (m - 1.0) / (m + 1.0)
    square, series = f * f, f * 0.0
    for n in reversed(range(1, 12 if e.real == FLOAT else 24, 2)):
        series = series * square + 2 / n
    return e.convert(k, "sitofp", e.real) * math.log(2) + series * f


def _bits_of_root_half(size: int) -> int:
    """√½ as the type's bits."""
    packed = struct.pack("<f" if size == 32 else "<d", math.sqrt(0.5))
    return int.from_bytes(packed, "little")
