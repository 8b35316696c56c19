// The stream and the gradients of a fresh model, block by block, with norms before or after the sublayers.
course.drawings.norms = (stage, data, labels) => {
  const depths = Object.keys(data);
  let depth = depths[1];
  let at = 0;
  const colors = { pre: "main", post: "warm" };
  const lines = (what) =>
    ["pre", "post"].map((kind) => ({ name: labels[kind], x: data[depth][kind][what].map((_, index) => index + 1), y: data[depth][kind][what], color: colors[kind], dashed: kind === "post" }));
  const plots = { stream: null, gradient: null };
  for (const what of Object.keys(plots)) plots[what] = course.plot({ title: labels[what], lines: lines(what), x: labels.block, y: "", log: "y", height: 200, low: what === "stream" ? 0.1 : 0.01, high: 10 });
  const reading = course.reading();
  const show = () => {
    const values = { block: at + 1, depth };
    for (const kind of ["pre", "post"]) for (const what of Object.keys(plots)) values[`${kind}_${what}`] = course.number(data[depth][kind][what][at]);
    for (const what of Object.keys(plots)) plots[what].mark(at + 1);
    reading.say(course.words(labels.reading, values));
  };
  const slide = (value, most) =>
    course.slider({
      label: labels.at,
      min: 1,
      max: most,
      value,
      change: (now) => {
        at = now - 1;
        show();
      },
    });
  let slider = slide(1, Number(depth));
  const choose = course.choice({
    label: labels.depth,
    options: depths.map((key) => [key, key]),
    value: depth,
    change: (key) => {
      depth = key;
      at = Math.min(at, Number(depth) - 1);
      for (const what of Object.keys(plots)) plots[what].show(lines(what));
      const next = slide(at + 1, Number(depth));
      slider.replaceWith(next);
      slider = next;
      show();
    },
  });
  stage.append(course.make("div", { class: "controls" }, choose, slider), reading, plots.stream, plots.gradient);
  show();
};
