// One inner unit with a gate and one without, the functions, and how well each kind learns a product.
course.drawings.ffn = (stage, data, labels) => {
  const last = data.x.length - 1;
  const number = (value) => value.toFixed(2).replace("-", "\u2212");
  const matrix = (title, values) =>
    course.matrix({ title, values, rows: labels.value, columns: labels.gate, pick: (row, column) => go(row, column) });
  const [gated, plain] = [matrix(labels.gated, data.gated), matrix(labels.plain, data.plain)];
  const reading = course.reading();
  const line = (name, color) => ({ name, color, x: data.x, y: data[name.toLowerCase()] });
  const functions = course.plot({
    title: labels.functions,
    lines: [line("ReLU", "warm"), line("GELU", "third"), line("SiLU", "main")],
    x: labels.input,
    y: "",
    height: 190,
  });
  const kinds = { relu: ["ReLU", "warm"], gelu: ["GELU", "third"], swiglu: ["SwiGLU", "main"] };
  const errors = course.plot({
    title: labels.errors,
    lines: Object.entries(kinds).map(([kind, [name, color]]) => ({ name, color, x: data.rates, y: data.curves[kind] })),
    x: labels.rate,
    y: labels.error,
    log: "xy",
    height: 190,
  });
  const go = (row, column) => {
    for (const one of [gated, plain]) one.set(row, column);
    functions.mark(data.x[column]);
    const told = { g: data.x[column], u: data.x[last - row], silu: data.silu[column], relu: data.relu[column], gated: data.gated[row][column] };
    reading.say(course.words(labels.reading, Object.fromEntries(Object.entries(told).map(([key, value]) => [key, number(value)]))));
  };
  stage.append(course.make("div", { class: "pair" }, gated, plain), reading, functions, errors);
  go(8, 24);
};
