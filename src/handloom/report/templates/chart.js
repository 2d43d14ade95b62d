/* Charts: a hover or the arrow keys tell values, a drag or + and − zoom, 0 shows everything. */

const NEAR = 12; // a drag over fewer pixels is a click
const groups = new Map(); // charts that share cursor and zoom

class Chart extends Drawing {
  constructor(host) {
    super(JSON.parse(host.querySelector("script").textContent), host.querySelector(".canvas"));
    groups.set(this.spec.group, [...(groups.get(this.spec.group) ?? []), this]);
    this.buildTools(host);
    this.tip = add(this.canvas, "div", { class: "tip", "aria-hidden": "true", hidden: "" });
    this.voice = add(this.canvas, "p", { class: "unseen", "aria-live": "polite" });
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  get together() {
    return groups.get(this.spec.group);
  }

  // -- the cursor ---------------------------------------------------------------------------------

  /** The cursor stands at `x`, a value; of many lines it tells the one nearest to `y`, in pixels. */
  point(x, y = null) {
    const points = this.points ?? [];
    if (!points.length) return;
    const nearest = (among, far) => among.reduce((one, other) => (far(other) < far(one) ? other : one));
    const left = this.x.at(x);
    const across = (point) => Math.abs(point.left - left);
    const down = (point) => (y === null ? 0 : Math.abs(point.top - y));
    const single = this.shown.length > FEW || this.shown.some((series) => series.dots);
    const picked = nearest(points, single ? (point) => Math.hypot(across(point), down(point)) : across);
    const told = single ? [picked] : points.filter((point) => point.x === picked.x);
    this.showCursor(picked.x, told);
  }

  showCursor(x, told) {
    this.at = x;
    const left = this.x.at(x);
    this.cursor.replaceChildren();
    add(this.cursor, "line", { x1: left, x2: left, y1: MARGIN.top, y2: this.bottom });
    if (told.length === 1 && !told[0].series.dots && this.shown.length > FEW) {
      add(this.cursor, "path", { class: `line strong ${told[0].series.colour}`, d: this.path(told[0].series) });
    }
    for (const { series, place } of told) this.dot(this.cursor, series, place, 5);
    this.tip.replaceChildren();
    add(this.tip, "strong", {}, `${this.spec.x_label} ${figure(x, "number")}`);
    for (const { series, place, y } of told) {
      const row = add(this.tip, "span");
      add(row, "i", { class: `swatch ${series.colour}` });
      add(row, "b", {}, figure(y, this.spec.unit));
      row.append(` ${series.labels[place] ?? series.name}`);
    }
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    const fits = left + 12 + width <= this.canvas.clientWidth;
    this.tip.style.left = `${fits ? left + 12 : Math.max(0, left - 12 - width)}px`;
  }

  leave() {
    this.at = undefined;
    this.tip.hidden = true;
    this.cursor?.replaceChildren();
  }

  // -- zoom ---------------------------------------------------------------------------------------

  /** All charts of the group show from `low` to `high`, which stay within what there is. */
  zoomTo(low, high) {
    const [first, last] = this.wholeView();
    const view = [Math.max(first, low), Math.min(last, high)];
    if (!(view[1] > view[0])) return;
    for (const chart of this.together) {
      chart.view = view;
      chart.leave();
      chart.draw();
      chart.reset.disabled = view[0] === first && view[1] === last;
    }
  }

  /** A share of what is in view, around the cursor or the middle. */
  zoomBy(share) {
    const [left, right] = [MARGIN.left, this.right];
    const middle = this.at === undefined ? (left + right) / 2 : this.x.at(this.at);
    this.zoomTo(this.x.value(middle - (middle - left) * share), this.x.value(middle + (right - middle) * share));
  }

  showAll() {
    this.zoomTo(...this.wholeView());
  }

  // -- what the reader does -----------------------------------------------------------------------

  buildTools(host) {
    const bar = document.createElement("div");
    bar.className = "legend";
    const [keys, tools] = [add(bar, "div"), add(bar, "div")];
    for (const series of this.spec.series.length > FEW ? [] : this.spec.series) {
      const button = add(keys, "button", { type: "button", class: "key", "aria-pressed": "true" });
      add(button, "i", { class: `swatch ${series.colour}` });
      button.append(series.name);
      button.addEventListener("click", () => this.toggle(series.name, button));
    }
    const tool = (text, label, act) => {
      const button = add(tools, "button", { type: "button", class: "tool", "aria-label": label, title: label }, text);
      button.addEventListener("click", act);
      return button;
    };
    const values = this.spec.series.flatMap((series) => series.y);
    if (this.spec.unit === "number" && values.every((y) => y === null || y > 0)) {
      const button = tool("log", "Logarithmic scale", () => {
        this.isLog = !this.isLog;
        button.setAttribute("aria-pressed", this.isLog);
        this.draw();
      });
      button.setAttribute("aria-pressed", this.isLog);
    }
    tool("−", "Zoom out", () => this.zoomBy(2));
    tool("+", "Zoom in", () => this.zoomBy(0.5));
    this.reset = tool("all", "Show everything", () => this.showAll());
    this.reset.disabled = true;
    host.querySelector("figcaption").after(bar);
  }

  toggle(name, button) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    button.setAttribute("aria-pressed", !this.hidden.has(name));
    this.draw();
  }

  listen() {
    const place = (event) => event.clientX - this.canvas.getBoundingClientRect().left;
    const within = (pixel) => Math.min(this.right, Math.max(MARGIN.left, pixel));
    const tell = (event) => {
      const y = event.clientY - this.canvas.getBoundingClientRect().top;
      for (const chart of this.together) {
        chart.point(this.x.value(within(place(event))), chart === this ? y : null);
      }
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      tell(event);
      if (event.pointerType === "mouse" && event.button === 0) {
        this.dragFrom = within(place(event));
        this.canvas.setPointerCapture(event.pointerId);
      }
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const here = within(place(event));
      if (this.dragFrom !== undefined) {
        this.band.setAttribute("x", Math.min(this.dragFrom, here));
        this.band.setAttribute("width", Math.abs(here - this.dragFrom));
      }
      tell(event);
    });
    this.canvas.addEventListener("pointerup", (event) => {
      const [from, to] = [this.dragFrom, within(place(event))];
      this.dragFrom = undefined;
      this.band.setAttribute("width", 0);
      if (from !== undefined && Math.abs(to - from) > NEAR) {
        this.zoomTo(this.x.value(Math.min(from, to)), this.x.value(Math.max(from, to)));
      }
    });
    const leave = () => this.together.forEach((chart) => chart.leave());
    this.canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") leave(); // a finger that was lifted still wants to read
    });
    this.canvas.addEventListener("blur", leave);
    this.canvas.addEventListener("dblclick", () => this.showAll());
    this.canvas.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    const acts = {
      ArrowLeft: () => this.walk(-1),
      ArrowRight: () => this.walk(1),
      "+": () => this.zoomBy(0.5),
      "-": () => this.zoomBy(2),
      0: () => this.showAll(),
      Escape: () => this.together.forEach((chart) => chart.leave()),
    };
    if (!(event.key in acts) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }

  /** The cursor goes on to the next x, or the one before, and the values are said. */
  walk(direction) {
    const places = [...new Set((this.points ?? []).map((point) => point.x))].sort((one, other) => one - other);
    if (!places.length) return;
    const now = this.at === undefined ? (direction > 0 ? -1 : places.length) : places.indexOf(this.at);
    const next = places[Math.min(places.length - 1, Math.max(0, now + direction))];
    for (const chart of this.together) chart.point(next);
    this.voice.textContent = [...this.tip.children].map((row) => row.textContent).join(", ");
  }
}

for (const host of document.querySelectorAll("figure.chart")) new Chart(host);
