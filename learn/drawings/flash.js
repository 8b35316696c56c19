// A row of attention, step by step: three passes over its keys, or one pass over tiles with a correction.
course.drawings.flash = (stage, data, labels) => {
  const count = data.scores.length;
  let [way, step] = ["one", 1];
  const number = (value, places = 3) => value.toFixed(places).replace("-", "\u2212");
  const title = course.make("h3", {}, labels.scores);
  const row = course.svg("svg", { viewBox: `0 0 ${count * 30} 130`, role: "img", "aria-label": labels.scores, style: { width: "100%", display: "block" } });
  const reading = course.reading();
  const output = course.bars({ title: labels.output, items: [] });
  const most = Math.max(...data.scores.map(Math.abs));
  const last = () => (way === "one" ? data.steps.length : 3 * count);

  // What is read in this step, what was read before, and the numbers that are held.
  const state = () => {
    if (way === "one") {
      const at = data.steps[step - 1];
      const told = { tile: step, largest: number(at.largest), fade: number(at.fade), sum: number(at.sum) };
      return { now: [(step - 1) * data.tile, step * data.tile], text: course.words(labels.tile, told), output: at.output };
    }
    const [pass, key] = [Math.floor((step - 1) / count) + 1, (step - 1) % count];
    const told = { key: key + 1, largest: number(data.largest[key]), sum: number(data.sum[key]), weight: number(data.weights[key]) };
    return { now: [key, key + 1], text: course.words(labels[`pass${pass}`], told), output: step === 3 * count ? data.output : null };
  };
  const show = () => {
    const { now, text, output: sofar } = state();
    const parts = [course.svg("line", { x1: 0, x2: count * 30, y1: 65, y2: 65, stroke: "var(--line)" })];
    data.scores.forEach((score, at) => {
      const high = (48 * score) / most;
      const read = at >= now[0] && at < now[1];
      const done = at < now[0];
      parts.push(
        course.svg("rect", { x: at * 30 + 4, width: 22, y: Math.min(65, 65 - high), height: Math.abs(high), fill: `var(--${read ? "warm" : "main"})`, opacity: read ? 1 : done ? 0.75 : 0.25 }),
        course.svg("text", { x: at * 30 + 15, y: score < 0 ? 77 - high : 61 - high, "text-anchor": "middle", "font-size": 9, fill: "var(--faint)" }, number(score, 1)),
      );
      if (at && at % data.tile === 0 && way === "one") parts.push(course.svg("line", { x1: at * 30, x2: at * 30, y1: 4, y2: 126, stroke: "var(--faint)", "stroke-dasharray": "2 3" }));
    });
    row.replaceChildren(...parts);
    reading.say(text);
    const items = data.output.flatMap((value, at) => [
      { name: `${course.words(labels.component, { i: at + 1 })}, ${labels.now}`, value: sofar ? Math.abs(sofar[at]) : 0, shown: sofar ? number(sofar[at]) : "\u2013", color: sofar && sofar[at] < 0 ? "warm" : "main" },
      { name: labels.final, value: Math.abs(value), shown: number(value), color: value < 0 ? "warm" : "main" },
    ]);
    output.show(items);
  };
  const holder = course.make("div", { class: "controls" });
  const choose = (key) => {
    [way, step] = [key, 1];
    const slider = course.slider({ label: labels.step, min: 1, max: last(), value: 1, format: (value) => `${value} / ${last()}`, change: (value) => ((step = value), show()) });
    holder.replaceChildren(slider);
    show();
  };
  const options = ["three", "one"].map((key) => [key, labels[key]]);
  stage.append(course.choice({ label: labels.way, options, value: way, change: choose }), holder, course.make("div", { class: "part" }, title, row), reading, output);
  choose(way);
};
