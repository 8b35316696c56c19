"use strict";
// The parts that drawings share. A drawing is a function in `course.drawings`: it fills its stage from the data that our
// Python code has made, with the labels of its page. No text becomes HTML here: elements are made one by one.

const course = {
  drawings: {},

  // Make an element: attributes, then children (elements or text). A function among the attributes is a listener.
  make(tag, attributes = {}, ...children) {
    return course.fill(document.createElement(tag), attributes, children);
  },

  svg(tag, attributes = {}, ...children) {
    return course.fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  },

  fill(element, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(key, value);
      else if (key === "style") for (const [name, one] of Object.entries(value)) element.style.setProperty(name, one);
      else if (value !== false && value !== undefined) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  },

  // A number as people read it: three significant figures, groups of thousands.
  number(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 0.001) return value.toExponential(1);
    const places = Math.max(0, 2 - Math.floor(Math.log10(size)));
    return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "\u2212");
  },

  // Words with places: fill("row {q}", {q: 3}).
  words(text, values) {
    return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
  },

  // A colour of the page: main, warm, third, fourth, ink, faint, line, soft, paper.
  color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  },

  // A slider with its label and value. `change(value)` is called as it moves; `element.set(value)` moves it.
  slider({ label, min, max, value, step = 1, format = String, change }) {
    const shown = course.make("output", {}, format(value));
    const input = course.make("input", { type: "range", min, max, step, value, "aria-label": label, input: () => move(Number(input.value)) });
    const move = (now) => {
      shown.textContent = format(now);
      change(now);
    };
    const element = course.make("label", { class: "slider" }, course.make("span", {}, label), shown, input);
    element.set = (now) => {
      input.value = now;
      shown.textContent = format(Number(input.value));
    };
    return element;
  },

  // Buttons of which one is pressed: options are [key, label].
  choice({ label, options, value, change }) {
    const buttons = options.map(([key, name]) =>
      course.make("button", { type: "button", "aria-pressed": String(key === value), click: () => press(key) }, name),
    );
    const press = (key) => {
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(options[at][0] === key)));
      change(key);
    };
    return course.make("fieldset", { class: "choice" }, course.make("legend", {}, label), ...buttons);
  },

  // A matrix of values [rows][columns] as a picture with a cursor: pointer and arrow keys move it, `pick(row, column)`.
  // Values above 0 are `main`, below 0 `warm`, null stays empty. With `range` the least value is palest, the largest
  // darkest. `set(row, column)` moves the cursor, `show(values)` puts other values in.
  matrix({ title, values, rows, columns, label, pick, range = false }) {
    const canvas = course.make("canvas");
    const cursor = course.make("div", { class: "cursor" });
    const grid = course.make("div", { class: "grid", tabindex: 0, role: "application", "aria-label": label || title }, canvas, cursor);
    let at = [0, 0];
    const paint = () => {
      [canvas.height, canvas.width] = [values.length, values[0].length]; // a pixel a cell; the style makes it large
      const [brush, main, warm] = [canvas.getContext("2d"), course.color("main"), course.color("warm")];
      const all = values.flat().filter((value) => value !== null);
      const least = range ? Math.min(...all) : 0;
      const most = Math.max(1e-12, ...all.map((value) => Math.abs(value - least)));
      values.forEach((row, y) =>
        row.forEach((value, x) => {
          if (value === null) return;
          brush.globalAlpha = Math.abs(value - least) / most;
          brush.fillStyle = value < least ? warm : main;
          brush.fillRect(x, y, 1, 1);
        }),
      );
    };
    const place = () => {
      const [height, width] = [100 / values.length, 100 / values[0].length];
      const box = { left: at[1] * width, top: at[0] * height, width, height };
      for (const [name, value] of Object.entries(box)) cursor.style.setProperty(name, `${value}%`);
    };
    const go = (row, column) => {
      const last = [values.length - 1, values[0].length - 1];
      at = [Math.max(0, Math.min(last[0], row)), Math.max(0, Math.min(last[1], column))];
      place();
      pick(...at);
    };
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      const part = (value, count) => Math.floor(value * count);
      go(part((event.clientY - box.top) / box.height, values.length), part((event.clientX - box.left) / box.width, values[0].length));
    };
    grid.addEventListener("pointermove", point);
    grid.addEventListener("pointerdown", point);
    grid.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      go(at[0] + step[0], at[1] + step[1]);
    });
    const element = course.make("div", { class: "matrix" }, title ? course.make("h3", {}, title) : null, grid);
    if (rows || columns)
      element.append(course.make("div", { class: "axis" }, course.make("span", {}, `\u2193 ${rows}`), course.make("span", {}, `${columns} \u2192`)));
    element.set = (row, column) => {
      at = [row, column];
      place();
    };
    element.show = (now) => {
      values = now;
      paint();
      place();
    };
    course.themed(paint);
    place();
    return element;
  },

  // A plot of lines {name, x, y, color, dashed} with axes; `mark(x)` sets a vertical line. `log` is "x", "y" or "xy".
  plot({ title, lines, x, y, height = 240, log = "", low, high }) {
    const box = course.make("div");
    const key = course.make("div", { class: "key" });
    const element = course.make("div", { class: "plot part" }, title ? course.make("h3", {}, title) : null, key, box);
    let marked = null;
    const draw = () => {
      const width = box.clientWidth || 600;
      const [left, right, top, bottom] = [48, width - 10, 8, height - 36];
      const scale = (axis, from, to, first, last) => {
        const turn = log.includes(axis) ? Math.log10 : (value) => value;
        const [start, end] = [turn(from), turn(to)];
        return (value) => first + ((turn(value) - start) / (end - start || 1)) * (last - first);
      };
      const all = (name) => lines.flatMap((line) => line[name]).filter(Number.isFinite);
      const span = (name, from, to) => [from ?? Math.min(...all(name)), to ?? Math.max(...all(name))];
      const [x0, x1] = span("x");
      const [y0, y1] = span("y", low, high);
      const [sx, sy] = [scale("x", x0, x1, left, right), scale("y", y0, y1, bottom, top)];
      const parts = [];
      for (const tick of course.ticks(y0, y1, log.includes("y")))
        parts.push(
          course.svg("line", { x1: left, x2: right, y1: sy(tick), y2: sy(tick), stroke: "var(--line)" }),
          course.svg("text", { x: left - 6, y: sy(tick) + 4, "text-anchor": "end" }, course.short(tick)),
        );
      for (const tick of course.ticks(x0, x1, log.includes("x"), width < 450 ? 4 : 6))
        parts.push(course.svg("text", { x: sx(tick), y: bottom + 16, "text-anchor": "middle" }, course.short(tick)));
      parts.push(course.svg("text", { x: (left + right) / 2, y: height - 3, "text-anchor": "middle" }, x));
      for (const line of lines) {
        const points = line.x.map((value, at) => [value, line.y[at]]).filter((point) => point.every(Number.isFinite));
        const path = points.map((point) => `${sx(point[0]).toFixed(1)},${sy(point[1]).toFixed(1)}`).join(" ");
        const style = { fill: "none", stroke: `var(--${line.color})`, "stroke-width": 1.8, "stroke-dasharray": line.dashed ? "5 4" : false };
        parts.push(course.svg("polyline", { points: path, ...style }));
      }
      if (marked !== null && marked >= x0 && marked <= x1)
        parts.push(course.svg("line", { x1: sx(marked), x2: sx(marked), y1: top, y2: bottom, stroke: "var(--ink)", "stroke-dasharray": "2 3" }));
      const label = [title, y, x].filter(Boolean).join(", ");
      box.replaceChildren(course.svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label }, ...parts));
      const names = lines.filter((line) => line.name);
      key.replaceChildren(...names.map((line) => course.make("span", { style: { "--color": `var(--${line.color})` } }, line.name)), y ? course.make("small", {}, y) : "");
    };
    element.mark = (value) => {
      marked = value;
      draw();
    };
    element.show = (now) => {
      lines = now;
      draw();
    };
    new ResizeObserver(draw).observe(box);
    return element;
  },

  ticks(from, to, log = false, count = 5) {
    if (log) {
      const powers = [];
      for (let power = Math.ceil(Math.log10(from) - 1e-9); power <= Math.log10(to) + 1e-9; power++) powers.push(10 ** power);
      return powers;
    }
    const rough = (to - from) / count || 1;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * ([1, 2, 5, 10].find((factor) => factor * unit >= rough) || 10);
    const found = [];
    for (let at = Math.ceil(from / step - 1e-9); at * step <= to + step * 1e-9; at++) found.push(at * step);
    return found;
  },

  short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toFixed(2)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
    return String(+value.toPrecision(4)).replace("-", "\u2212");
  },

  // Horizontal bars: items are {name, value, shown, color}; `show(items)` changes them.
  bars({ title, items, most }) {
    const list = course.make("div", { class: "bars" });
    const element = course.make("div", { class: "part" }, title ? course.make("h3", {}, title) : null, list);
    element.show = (now) => {
      const top = most ?? Math.max(...now.map((item) => item.value), 1e-12);
      list.replaceChildren(
        ...now.flatMap((item) => [
          course.make("span", { class: "name" }, item.name),
          course.make("div", { class: "bar", style: { width: `${(100 * item.value) / top}%`, background: `var(--${item.color || "main"})` } }),
          course.make("span", { class: "value" }, item.shown ?? course.number(item.value)),
        ]),
      );
    };
    element.show(items);
    return element;
  },

  // Tokens in a line, each with words below it: items are {text, below, look, faint}; `look` is a class: special, target,
  // none. Pointer and arrow keys pick one, `pick(at)`. `set(at)` moves the cursor, `show(items)` puts others in.
  tokens({ title, items, pick }) {
    let at = 0;
    const line = course.make("div", { class: "tokens", tabindex: 0, role: "application", "aria-label": title });
    const paint = () =>
      line.replaceChildren(
        ...items.map((item, place) =>
          course.make(
            "div",
            { class: `token ${item.look || ""} ${item.faint ? "faint" : ""} ${place === at && pick ? "here" : ""}`, pointerenter: () => go(place), pointerdown: () => go(place) },
            course.make("span", {}, item.text.replace(/^ /, "\u2423").replace(/\n/g, "\u21b5")),
            item.below === undefined ? null : course.make("small", {}, item.below.replace(/^ /, "\u2423").replace(/\n/g, "\u21b5")),
          ),
        ),
      );
    const go = (place) => {
      if (!pick || !items.length) return;
      at = Math.max(0, Math.min(items.length - 1, place));
      pick(at);
    };
    line.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      go(at + step);
    });
    const element = course.make("div", { class: "part" }, title ? course.make("h3", {}, title) : null, line);
    element.set = (place) => {
      at = place;
      paint();
    };
    element.show = (now) => {
      items = now;
      at = Math.min(at, Math.max(0, items.length - 1));
      paint();
    };
    paint();
    return element;
  },

  // A line that says in words what the drawing shows now; screen readers hear it.
  reading() {
    const element = course.make("p", { class: "read", "aria-live": "polite" });
    element.say = (text) => (element.textContent = text);
    return element;
  },

  // Call `paint` now, and again when the page turns dark or light.
  themed(paint) {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    paint();
  },

  start() {
    const known = JSON.parse(document.getElementById("known").textContent);
    for (const figure of document.querySelectorAll("figure.drawing")) {
      const name = figure.dataset.name;
      course.drawings[name](figure.querySelector(".stage"), known.data, known.labels[name]);
    }
    for (const block of document.querySelectorAll("pre.sh")) {
      const copy = async () => {
        await navigator.clipboard.writeText(block.querySelector("code").textContent.trim());
        button.textContent = known.words.copied;
      };
      const button = course.make("button", { type: "button", click: copy }, known.words.copy);
      block.append(button);
    }
  },
};
