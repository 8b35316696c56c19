// A picture cut into patches, the numbers of each as a row, and its vector behind the matrix of the model.
course.drawings.pictures = (stage, data, labels) => {
  const side = data.picture.length;
  let [patch, at] = [8, 5];
  const canvas = course.make("canvas", { width: side, height: side });
  const cursor = course.make("div", { class: "cursor" });
  const lines = course.make("div", { class: "cuts" });
  const grid = course.make("div", { class: "grid", tabindex: 0, role: "application", "aria-label": labels.picture }, canvas, lines, cursor);
  const brush = canvas.getContext("2d");
  data.picture.forEach((row, y) =>
    row.forEach((colour, x) => {
      brush.fillStyle = `rgb(${colour.join(",")})`;
      brush.fillRect(x, y, 1, 1);
    }),
  );
  const across = () => side / patch;
  const now = () => data.sizes[patch];
  const values = course.matrix({ title: labels.values, values: now().values, rows: labels.patches, columns: labels.numbers, pick: (row) => go(row) });
  const vectors = course.matrix({ title: labels.vectors, values: now().vectors, rows: labels.patches, columns: labels.width, pick: (row) => go(row) });
  const reading = course.reading();
  const go = (place) => {
    at = Math.max(0, Math.min(now().values.length - 1, place));
    const [row, column] = now().places[at];
    const part = 100 / across();
    for (const [name, value] of Object.entries({ left: column * part, top: row * part, width: part, height: part })) cursor.style.setProperty(name, `${value}%`);
    for (const matrix of [values, vectors]) matrix.set(at, 0);
    for (const matrix of [values, vectors]) matrix.querySelector(".cursor").style.setProperty("width", "100%");
    const numbers = now().values[at];
    const third = numbers.length / 3;
    const mean = [0, 1, 2].map((channel) => (numbers.slice(channel * third, (channel + 1) * third).reduce((sum, one) => sum + one, 0) / third).toFixed(2).replace("-", "\u2212"));
    reading.say(course.words(labels.reading, { at, row, column, count: numbers.length, red: mean[0], green: mean[1], blue: mean[2] }));
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const place = (value, size) => Math.max(0, Math.min(across() - 1, Math.floor((value / size) * across())));
    go(place(event.clientY - box.top, box.height) * across() + place(event.clientX - box.left, box.width));
  };
  grid.addEventListener("pointermove", point);
  grid.addEventListener("pointerdown", point);
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(), ArrowDown: across() }[event.key];
    if (!step) return;
    event.preventDefault();
    go(at + step);
  });
  const told = course.make("p", { class: "read" });
  const resize = (size) => {
    patch = Number(size);
    lines.style.setProperty("background-size", `${100 / across()}% ${100 / across()}%`);
    values.show(now().values);
    vectors.show(now().vectors);
    const count = now().values.length;
    told.textContent = course.words(labels.size, { patch, count, numbers: now().values[0].length, pairs: (count * count).toLocaleString("en") });
    go(Math.min(at, count - 1));
  };
  const element = course.make("div", { class: "matrix picture" }, course.make("h3", {}, labels.picture), grid);
  values.classList.add("wide");
  vectors.classList.add("wide");
  stage.append(
    course.make("div", { class: "controls" }, course.choice({ label: labels.side, options: Object.keys(data.sizes).map((key) => [key, `${key} \u00d7 ${key}`]), value: String(patch), change: resize })),
    told,
    course.make("div", { class: "pair top" }, element, course.make("div", { class: "stage" }, values, vectors)),
    reading,
  );
  resize(patch);
};
