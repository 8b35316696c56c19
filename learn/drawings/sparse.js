// Patterns as matrices: what a query sees in one layer, and what it comes to know through several.
course.drawings.sparse = (stage, data, labels) => {
  let [name, layers, at] = ["window", 1, [20, 14]];
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const known = () => data.layers[name].map((row) => row.map((count) => (count && count <= layers ? 1 / count : null)));
  const matrix = course.matrix({ values: known(), rows: labels.query, columns: labels.key, label: labels.pattern, pick: (row, column) => go(row, column) });
  const [reading, pair] = [course.reading(), course.reading()];
  const shares = course.bars({ title: labels.shares, items: [], most: 1 });
  const go = (query, key) => {
    at = [query, key];
    matrix.set(query, key);
    const all = known();
    const count = (row) => row.filter((value) => value !== null).length;
    const pairs = all.reduce((sum, row) => sum + count(row), 0);
    reading.say(course.words(labels.reading, { layers, pairs, all: all.length ** 2, q: query, seen: count(all[query]) }));
    const needed = data.layers[name][query][key];
    const told = needed === 0 ? labels.never : needed === 1 ? labels.direct : labels.through;
    pair.say(course.words(told, { q: query, k: key, count: needed }));
  };
  const show = () => {
    matrix.show(known());
    const bars = ["pairs", "blocks"].map((key) => ({ key, value: data.shares[name][key] }));
    shares.show(bars.map(({ key, value }) => ({ name: key === "pairs" ? labels.allowed : labels.blocks, value, shown: percent(value), color: key === "pairs" ? "main" : "warm" })));
    go(...at);
  };
  const set = (change) => (value) => {
    change(value);
    show();
  };
  const options = Object.keys(data.layers).map((key) => [key, labels[key]]);
  stage.append(
    course.choice({ label: labels.pattern, options, value: name, change: set((key) => (name = key)) }),
    course.make("div", { class: "controls" }, course.slider({ label: labels.layers, min: 1, max: 8, value: 1, change: set((value) => (layers = value)) })),
    course.make("div", { class: "pair", style: { "grid-template-columns": "repeat(auto-fit, minmax(min(100%, 15rem), 1fr))" } }, matrix, course.make("div", { class: "stage" }, reading, pair, shares)),
  );
  show();
};
