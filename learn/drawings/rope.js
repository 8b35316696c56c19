// Scores of one query and one key at all pairs of positions, with rotary and with added positions, and the angles behind.
course.drawings.rope = (stage, data, labels) => {
  const last = data.rotary.length - 1;
  let [m, n] = [24, 16];
  const rotary = course.matrix({ title: labels.rotary, values: data.rotary, rows: labels.query, columns: labels.key, range: true, pick: (row, column) => go(row, column) });
  const added = course.matrix({ title: labels.added, values: data.added, rows: labels.query, columns: labels.key, range: true, pick: (row, column) => go(row, column) });
  const reading = course.reading();
  const turn = 2 * Math.PI;
  const shown = [0, 2, 4, 8, 12, 16, 20, 24];

  const dials = shown.map((i) => {
    const hand = (color) => course.svg("line", { x1: 0, y1: 0, stroke: `var(--${color})`, "stroke-width": 4, "stroke-linecap": "round" });
    const [q, k] = [hand("main"), hand("warm")];
    const told = course.words(labels.pair, { i, turn: course.number(turn / data.frequencies[i]) });
    const face = course.svg("svg", { viewBox: "-55 -55 110 110", role: "img", "aria-label": told }, course.svg("circle", { r: 50, fill: "none", stroke: "var(--line)", "stroke-width": 2 }), k, q);
    const point = (line, position, length) => {
      const angle = position * data.frequencies[i];
      line.setAttribute("x2", length * Math.cos(angle));
      line.setAttribute("y2", -length * Math.sin(angle));
    };
    const element = course.make("div", { class: "dial" }, face, course.make("small", {}, told));
    element.set = () => {
      point(q, m, 44);
      point(k, n, 34);
    };
    return element;
  });

  const curve = course.plot({
    title: labels.curve,
    lines: [{ x: data.curve.map((_, at) => at), y: data.curve, color: "main" }],
    x: labels.distance,
    y: "",
    height: 190,
  });
  const both = course.slider({
    label: labels.both,
    min: 0,
    max: last,
    value: Math.min(m, n),
    change: (start) => {
      const low = Math.min(m, n);
      const by = Math.min(start - low, last - Math.max(m, n));
      go(m + by, n + by);
    },
  });

  const go = (row, column) => {
    [m, n] = [row, column];
    for (const matrix of [rotary, added]) matrix.set(m, n);
    for (const dial of dials) dial.set();
    both.set(Math.min(m, n));
    curve.mark(Math.abs(m - n));
    const scores = { rotary: data.rotary[m][n].toFixed(2), added: data.added[m][n].toFixed(2) };
    reading.say(course.words(labels.reading, { m, n, d: Math.abs(m - n), ...scores }));
  };

  stage.append(
    course.make("div", { class: "pair" }, rotary, added),
    course.make("div", { class: "controls" }, both),
    reading,
    course.make("div", { class: "part" }, course.make("h3", {}, labels.dials), course.make("div", { class: "dials" }, ...dials)),
    curve,
  );
  go(m, n);
};
