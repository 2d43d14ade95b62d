"""The complementary error function, which NumPy does not have."""

from __future__ import annotations

import math

import numpy as np

from handloom._typing import FloatArray

# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969):
# the approximation of highest degree for each of its three intervals, highest power first.
NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3),
)  # fmt: skip
FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
     1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3),
)  # fmt: skip


def erfc(x: FloatArray) -> FloatArray:
    """1 - erf(x) = 2/√π ∫ₓ^∞ exp(-t²) dt, of any shape; to rounding in float64, also in the tail.

    With z = |x| and Cody's quotients of polynomials R:

        z ≤ 0.46875    1 - z R₁(z²)
        z ≤ 4          exp(-z²) R₂(z)
        z > 4          exp(-z²) / z · (1/√π - R₃(1/z²) / z²)

    and erfc(-z) = 2 - erfc(z).
    """
    # erfc(30) is 0 in float64 already, and 30² cannot overflow.
    absolute = np.minimum(np.abs(x), 30.0).ravel()
    y = np.empty_like(absolute)
    near, far = absolute <= 0.46875, absolute > 4.0
    middle = ~(near | far)  # NaN lands here, and stays NaN
    for interval, formula in ((near, _near), (middle, _middle), (far, _far)):
        places = np.flatnonzero(interval)
        y[places] = formula(absolute[places])
    y = y.reshape(x.shape)
    return y + (x < 0) * (2.0 - 2.0 * y)


def _near(z: FloatArray) -> FloatArray:
    return 1.0 - z * _quotient(NEAR, z**2)


def _middle(z: FloatArray) -> FloatArray:
    return _exp_minus_square(z) * _quotient(MIDDLE, z)


def _far(z: FloatArray) -> FloatArray:
    w = 1.0 / z**2
    return _exp_minus_square(z) / z * (1.0 / math.sqrt(math.pi) - w * _quotient(FAR, w))


def _exp_minus_square(z: FloatArray) -> FloatArray:
    """exp(-z²), whose rounding of z² would cost digits: cut z = a + b where a² is exact."""
    a = np.trunc(16.0 * z) / 16.0
    return np.exp(-(a**2)) * np.exp(-(z - a) * (z + a))


def _quotient(
    polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: FloatArray
) -> FloatArray:
    numerator, denominator = polynomials
    return _horner(numerator, x) / _horner(denominator, x)


def _horner(coefficients: tuple[float, ...], x: FloatArray) -> FloatArray:
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y = y * x + coefficient
    return y
