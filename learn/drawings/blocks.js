// Two blocks side by side, part by part: that of 2017, and one in which each part can be exchanged for LLaMA's.
course.drawings.blocks = (stage, data, labels) => {
  const old = data.steps.map(() => 0);
  let mine = data.steps.map(() => 0);
  const sides = (chosen) => Object.fromEntries(data.steps.map((name, at) => [name, chosen[at] ? "new" : "old"]));

  const part = (name, count, kind, extra) =>
    course.make("div", { class: `box ${kind}` }, course.make("span", {}, name), count ? course.make("small", {}, count.toLocaleString("en")) : null, extra ? course.make("small", {}, extra) : null);
  const column = (title, chosen) => {
    const counts = data.blocks[chosen.join("")];
    const side = sides(chosen);
    const inner = [
      ["attention", labels.attention, side.position === "new" ? labels.rope : labels.added],
      ...(side.cross === "old" ? [["cross", labels.cross]] : []),
      ["ffn", labels[`ffn_${side.ffn}`]],
    ];
    const norms = counts.norms / inner.length;
    const pieces = inner.flatMap(([key, name, extra]) => {
      const norm = part(labels[`norm_${side.norm}`], norms, `norm ${side.norm}`);
      const work = part(name, counts[key], `work ${key === "ffn" ? side.ffn : key === "attention" ? side.position : "old"}`, extra);
      const add = part(`\u2295 ${labels.add}`, 0, "add");
      return side.place === "old" ? [work, add, norm] : [norm, work, add];
    });
    const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
    return course.make(
      "div",
      { class: "part column" },
      course.make("h3", {}, title),
      part(labels.input, 0, "add"),
      ...pieces,
      part(labels.output, 0, "add"),
      course.make("p", { class: "read" }, course.words(labels.total, { count: total.toLocaleString("en") })),
    );
  };

  const columns = course.make("div", { class: "pair columns" });
  const controls = course.make("div", { class: "controls" });
  const show = () => columns.replaceChildren(column(labels.old, old), column(labels.yours, mine));
  const choices = () =>
    controls.replaceChildren(
      ...data.steps.map((name, at) =>
        course.choice({
          label: labels[`step_${name}`],
          options: [0, 1].map((side) => [side, labels[`step_${name}_${side ? "new" : "old"}`]]),
          value: mine[at],
          change: (side) => {
            mine[at] = side;
            show();
          },
        }),
      ),
      course.choice({
        label: labels.all,
        options: [[0, labels.old], [1, labels.new]],
        value: null,
        change: (side) => {
          mine = mine.map(() => side);
          choices();
          show();
        },
      }),
    );
  choices();
  stage.append(controls, columns);
  show();
};
