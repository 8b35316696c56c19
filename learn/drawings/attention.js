// The weights of each head of a small model before and after training, and how few pairs hold most of them.
course.drawings.attention = (stage, data, labels) => {
  let [when, head, at, share] = ["after", 2, [18, 8], 0.9];
  const percent = (value, places = 0) => `${(100 * value).toFixed(places)} %`;
  const weights = () => data[when][head];
  const matrix = course.matrix({ values: weights(), rows: labels.query, columns: labels.key, label: labels.query, pick: (row, column) => go(row, column) });
  const row = course.bars({ title: labels.row, items: [], most: 1 });
  const [reading, holding] = [course.reading(), course.reading()];

  // The weights of all allowed pairs, greatest first, and the running share of their sum.
  const held = (values) => {
    const sorted = values.flat().filter((value) => value !== null).sort((one, other) => other - one);
    const sum = sorted.reduce((total, value) => total + value, 0);
    let total = 0;
    return sorted.map((value) => (total += value) / sum);
  };
  const curve = course.plot({ title: labels.curve, lines: [], x: labels.pairs, y: labels.weight, low: 0, high: 1, height: 200 });

  const go = (query, key) => {
    at = [query, Math.min(key, query)];
    matrix.set(...at);
    const line = weights()[query];
    const best = line.map((value, place) => [value, place]).filter(([value]) => value !== null);
    best.sort((one, other) => other[0] - one[0]);
    row.show(best.slice(0, 4).map(([value, place]) => ({ name: `${data.letters[place]} (${place})`, value, shown: percent(value, 1) })));
    const told = { m: query, n: at[1], q: data.letters[query], k: data.letters[at[1]], weight: percent(line[at[1]], 1) };
    reading.say(course.words(labels.reading, told));
  };
  const show = () => {
    matrix.show(weights());
    const [before, after] = ["before", "after"].map((time) => held(data[time][head]));
    const places = after.map((_, place) => (place + 1) / after.length);
    const line = (time, y, color) => ({ name: labels[time], x: [0, ...places], y: [0, ...y], color, dashed: time === "before" });
    curve.show([line("before", before, "warm"), line("after", after, "main")]);
    const shares = when === "after" ? after : before;
    const count = shares.findIndex((value) => value >= share - 1e-9) + 1;
    curve.mark(count / shares.length);
    const told = { pairs: count, all: shares.length, part: percent(count / shares.length), share: percent(share) };
    holding.say(course.words(labels.held, told));
    go(...at);
  };
  const set = (change) => (value) => {
    change(value);
    show();
  };
  const names = data.after.map((_, place) => {
    const [layer, number] = [Math.floor(place / data.heads) + 1, (place % data.heads) + 1];
    return [String(place), course.words(labels.name, { layer, head: number })];
  });
  stage.append(
    course.make(
      "div",
      { class: "controls" },
      course.choice({ label: labels.when, options: ["before", "after"].map((key) => [key, labels[key]]), value: when, change: set((key) => (when = key)) }),
      course.choice({ label: labels.head, options: names, value: String(head), change: set((key) => (head = Number(key))) }),
    ),
    course.make("div", { class: "pair", style: { "grid-template-columns": "repeat(auto-fit, minmax(min(100%, 15rem), 1fr))" } }, matrix, row),
    reading,
    course.make(
      "div",
      { class: "controls" },
      course.slider({ label: labels.share, min: 50, max: 99, value: 100 * share, format: (value) => `${value} %`, change: set((value) => (share = value / 100)) }),
    ),
    holding,
    curve,
  );
  show();
};
