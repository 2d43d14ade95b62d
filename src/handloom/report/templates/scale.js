"use strict";
/* Scales: from values to pixels and back, round ticks, and figures as a person reads them. */

/** A linear or logarithmic scale from `domain` [low, high] to `range` [from, to] in pixels. */
function makeScale(domain, range, isLog) {
  const bend = isLog ? Math.log10 : (value) => value;
  const unbend = isLog ? (value) => 10 ** value : (value) => value;
  const [low, high] = domain.map(bend);
  const slope = (range[1] - range[0]) / (high - low || 1);
  return {
    domain,
    isLog,
    at: (value) => range[0] + (bend(value) - low) * slope,
    value: (pixel) => unbend(low + (pixel - range[0]) / slope),
  };
}

/** About `count` round values within the scale's domain; whole numbers only, if they have to be. */
function ticks(scale, count, whole) {
  const [low, high] = scale.domain;
  if (scale.isLog && high / low > 8) return powers(low, high, count);
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((each) => each * power >= rough * 0.999);
  const step = whole ? Math.max(1, Math.round(factor * power)) : factor * power;
  const first = Math.ceil(low / step - 1e-9);
  const found = [];
  for (let index = first; index * step <= high + step * 1e-9; index++) {
    found.push(Number((index * step).toPrecision(12)));
  }
  return found;
}

/** Powers of ten between low and high, with 2 and 5 times them where these are few. */
function powers(low, high, count) {
  const decades = Math.log10(high / low);
  const factors = decades > count / 2 ? [1] : decades > count / 3 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / count));
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    if (power % every) continue;
    for (const factor of factors) {
      const value = Number((factor * 10 ** power).toPrecision(12));
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found;
}

/** A value as a figure: percent of a fraction, or a number of four digits that count. */
function figure(value, unit) {
  if (value === null) return "not finite";
  if (unit === "percent") return `${Number((100 * value).toFixed(2))} %`;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return shortPower(value);
  return value.toLocaleString("en", { maximumSignificantDigits: 4 }).replace("-", "−");
}

/** 0.0000012 as 1.2e−6. */
function shortPower(value) {
  const [digits, power] = value.toExponential(2).split("e");
  return `${Number(digits)}e${Number(power)}`.replaceAll("-", "−");
}
