/* The drawing of a chart: what is in view, as lines and dots between axes. */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 270;
const MARGIN = { top: 22, right: 16, bottom: 42, left: 58 };
const FEW = 6; // with more lines than that, the cursor tells the nearest one alone
let drawings = 0;

/** A new SVG or HTML element with its attributes, within `parent`. */
function add(parent, name, attributes = {}, text = "") {
  const isSvg = parent instanceof SVGElement || name === "svg";
  const made = isSvg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  parent.append(made);
  return made;
}

class Drawing {
  constructor(spec, canvas) {
    this.spec = spec;
    this.canvas = canvas;
    this.hidden = new Set();
    this.isLog = spec.is_log;
    this.view = this.wholeView();
    this.clip = `clip-${drawings++}`;
    this.svg = add(canvas, "svg", { "aria-hidden": "true" });
    this.over = add(canvas, "svg", { "aria-hidden": "true", class: "over" }); // moves without the lines
  }

  get shown() {
    return this.spec.series.filter((series) => !this.hidden.has(series.name));
  }

  // -- what is seen -------------------------------------------------------------------------------

  wholeView() {
    const all = this.spec.series.flatMap((series) => series.x);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const room = 0.03 * (high - low) || 0.5;
    return [low > 0 ? Math.max(low - room, low / 2) : low - room, high + room];
  }

  /** Lowest and highest value of the lines in view, with some room; one that is flat gets some. */
  valueDomain() {
    const seen = this.shown.flatMap((series) =>
      series.y.filter((y, place) => y !== null && this.isInView(series.x[place])));
    if (!seen.length) return [0, 1];
    const [low, high] = [Math.min(...seen), Math.max(...seen)];
    if (this.isLog) return [low / 1.3, high * 1.3];
    const room = 0.07 * (high - low) || 0.1 * Math.abs(high) || 0.1;
    const top = this.spec.unit === "percent" && high <= 1 ? Math.min(high + room, 1) : high + room;
    return [low >= 0 ? Math.max(0, low - room) : low - room, Math.max(top, high)];
  }

  isInView(x) {
    return x >= this.view[0] && x <= this.view[1];
  }

  // -- drawing ------------------------------------------------------------------------------------

  draw() {
    const width = this.canvas.clientWidth;
    if (width < 40) return;
    this.right = width - MARGIN.right;
    this.bottom = HEIGHT - MARGIN.bottom;
    this.x = makeScale(this.view, [MARGIN.left, this.right], false);
    this.y = makeScale(this.valueDomain(), [this.bottom, MARGIN.top], this.isLog);
    for (const layer of [this.svg, this.over]) {
      layer.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
      layer.replaceChildren();
    }
    this.points = this.pointsInView();
    this.drawAxes(width);
    this.drawLines();
    this.cursor = add(this.over, "g", { class: "cursor" });
    this.band = add(this.over, "rect", { class: "band", y: MARGIN.top, height: this.bottom - MARGIN.top, width: 0 });
  }

  /** All points of the shown lines that are in view, with their places in pixels. */
  pointsInView() {
    return this.shown.flatMap((series) => series.x
      .map((x, place) => ({ series, place, x, y: series.y[place] }))
      .filter((point) => point.y !== null && this.isInView(point.x))
      .map((point) => ({ ...point, left: this.x.at(point.x), top: this.y.at(point.y) })));
  }

  drawAxes(width) {
    const { unit, x_label: label } = this.spec;
    for (const value of ticks(this.y, 5, false)) {
      const y = this.y.at(value);
      add(this.svg, "line", { class: "grid", x1: MARGIN.left, x2: this.right, y1: y, y2: y });
      add(this.svg, "text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, figure(value, unit));
    }
    for (const value of ticks(this.x, Math.max(2, Math.floor(width / 90)), true)) {
      const x = this.x.at(value);
      add(this.svg, "line", { class: "tick", x1: x, x2: x, y1: this.bottom, y2: this.bottom + 5 });
      add(this.svg, "text", { x, y: this.bottom + 19, "text-anchor": "middle" }, figure(value, "number"));
    }
    add(this.svg, "line", { class: "axis", x1: MARGIN.left, x2: this.right, y1: this.bottom, y2: this.bottom });
    add(this.svg, "text", { class: "label", x: this.right, y: HEIGHT - 5, "text-anchor": "end" }, label);
    for (const mark of this.spec.marks.filter((each) => this.isInView(each.x))) {
      const x = this.x.at(mark.x);
      add(this.svg, "line", { class: "mark", x1: x, x2: x, y1: MARGIN.top, y2: this.bottom });
      const anchor = x > this.right - 60 ? "end" : x < MARGIN.left + 60 ? "start" : "middle";
      add(this.svg, "text", { x, y: MARGIN.top - 8, "text-anchor": anchor }, mark.label);
    }
  }

  drawLines() {
    const clip = add(add(this.svg, "defs"), "clipPath", { id: this.clip });
    add(clip, "rect", { x: MARGIN.left - 6, y: 0, width: this.right - MARGIN.left + 12, height: this.bottom + 6 });
    const lines = add(this.svg, "g", { "clip-path": `url(#${this.clip})` });
    for (const series of this.shown) {
      if (!series.dots) add(lines, "path", { class: `line ${series.colour}`, d: this.path(series) });
      const seen = series.y.filter((y, place) => y !== null && this.isInView(series.x[place])).length;
      if (!series.dots && (seen > 20 || this.shown.length > FEW)) continue;
      series.y.forEach((y, place) => {
        if (y !== null) this.dot(lines, series, place, series.dots ? 4.5 : 2.6);
      });
    }
  }

  path(series) {
    let isDown = false;
    return series.y.map((y, place) => {
      const command = isDown ? "L" : "M";
      isDown = y !== null;
      return isDown ? `${command}${this.x.at(series.x[place]).toFixed(1)} ${this.y.at(y).toFixed(1)}` : "";
    }).join("");
  }

  dot(parent, series, place, radius) {
    const [cx, cy] = [this.x.at(series.x[place]), this.y.at(series.y[place])];
    add(parent, "circle", { class: `dot ${series.colour}`, cx: cx.toFixed(1), cy: cy.toFixed(1), r: radius });
  }
}
