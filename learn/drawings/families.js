// Who depends on whom in each family: tokens to point at, and the matrix of all pairs.
course.drawings.families = (stage, data, labels) => {
  let family = "decoder";
  let at = 2;
  const words = { read: labels.read.split("|"), written: labels.written.split("|") };
  const tokens = () => (family === "encoder_decoder" ? [...words.read, ...words.written] : words.read);
  const reading = course.reading();
  const lines = course.make("div", { class: "lines" });
  const matrix = course.matrix({ values: data.families[family], rows: labels.rows, columns: labels.columns, label: labels.family, pick: (row) => go(row) });

  const show = () => {
    const seen = data.families[family][at];
    const chip = (name, index) =>
      course.make("button", { type: "button", class: "chip", "data-seen": String(seen[index]), "aria-pressed": String(index === at), pointerenter: () => go(index), focus: () => go(index) }, name);
    const chips = tokens().map(chip);
    const line = (title, from, to) => course.make("div", { class: "part" }, course.make("h3", {}, title), course.make("div", { class: "chips" }, ...chips.slice(from, to)));
    const decoder = family === "decoder";
    lines.replaceChildren(line(decoder ? labels.writes : labels.reads, 0, data.read), ...(family === "encoder_decoder" ? [line(labels.writes, data.read)] : []));
    reading.say(course.words(labels.reading, { token: tokens()[at], count: seen.reduce((sum, one) => sum + one, 0), all: seen.length }));
  };
  const go = (index) => {
    if (index === at && lines.children.length) return matrix.set(at, at);
    const focused = lines.contains(document.activeElement);
    at = index;
    matrix.set(at, at);
    show();
    if (focused) lines.querySelectorAll(".chip")[at].focus();
  };
  const names = ["encoder", "decoder", "encoder_decoder"].map((key) => [key, labels[key]]);
  const choose = course.choice({
    label: labels.family,
    options: names,
    value: family,
    change: (key) => {
      family = key;
      at = Math.min(at, tokens().length - 1);
      matrix.show(data.families[family]);
      matrix.set(at, at);
      show();
    },
  });
  stage.append(choose, course.make("div", { class: "pair" }, lines, matrix), reading);
  matrix.set(at, at);
  show();
};
