// Heads of queries and the heads of keys and values that they share, and the memory of the cache.
course.drawings.heads = (stage, data, labels) => {
  let [at, tokens, rows] = [data.counts.indexOf(8), 4096, 1];
  const size = (bytes) => (bytes >= 2 ** 30 ? `${+(bytes / 2 ** 30).toFixed(2)} GiB` : bytes >= 2 ** 20 ? `${+(bytes / 2 ** 20).toFixed(1)} MiB` : `${+(bytes / 1024).toFixed(1)} KiB`);
  const wires = course.svg("svg", { viewBox: "0 0 640 150", role: "img", "aria-label": labels.count, style: { width: "100%", display: "block" } });
  const reading = course.reading();
  const memory = course.bars({ title: labels.memory, items: [] });
  const colors = ["main", "warm", "third", "fourth"];
  const show = () => {
    const count = data.counts[at];
    const group = data.heads / count;
    const place = (head, of) => ((head + 0.5) * 640) / of;
    const parts = [];
    for (let head = 0; head < data.heads; head++) {
      const key = Math.floor((head * count) / data.heads);
      const color = `var(--${colors[key % colors.length]})`;
      parts.push(
        course.svg("line", { x1: place(head, data.heads), x2: place(key, count), y1: 40, y2: 112, stroke: color, "stroke-width": 1.5 }),
        course.svg("circle", { cx: place(head, data.heads), cy: 34, r: 7, fill: color }),
      );
    }
    for (let key = 0; key < count; key++) {
      const wide = Math.min(36, 560 / count);
      parts.push(course.svg("rect", { x: place(key, count) - wide / 2, width: wide - 2, y: 110, height: 14, rx: 2, fill: `var(--${colors[key % colors.length]})` }));
    }
    const text = { "text-anchor": "middle", x: 320, "font-size": 15, fill: "var(--faint)" };
    parts.push(course.svg("text", { ...text, y: 16 }, `${data.heads} ${labels.queries}`), course.svg("text", { ...text, y: 145 }, `${count} ${labels.keys}`));
    wires.replaceChildren(...parts);
    const name = labels[count === data.heads ? "mha" : count === 1 ? "mqa" : "gqa"];
    reading.say(course.words(labels.reading, { name, group, token: size(data.bytes[at]) }));
    const item = (label, bytes, color) => ({ name: label, value: bytes, shown: size(bytes), color });
    memory.show([
      item(labels.cache, data.bytes[at] * tokens * rows, "main"),
      item(labels.full, data.bytes[0] * tokens * rows, "warm"),
      item(labels.weights, 2 * data.weights[at], "third"),
    ]);
  };
  const set = (change) => (value) => {
    change(value);
    show();
  };
  const grouped = (value) => (2 ** value).toLocaleString("en");
  stage.append(
    course.choice({ label: labels.count, options: data.counts.map((count, place) => [String(place), String(count)]), value: String(at), change: set((place) => (at = Number(place))) }),
    wires,
    reading,
    course.make(
      "div",
      { class: "controls" },
      course.slider({ label: labels.tokens, min: 8, max: 17, value: 12, format: grouped, change: set((value) => (tokens = 2 ** value)) }),
      course.slider({ label: labels.rows, min: 0, max: 6, value: 0, format: grouped, change: set((value) => (rows = 2 ** value)) }),
    ),
    memory,
  );
  show();
};
