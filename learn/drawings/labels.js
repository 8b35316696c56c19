// Rows of three forms as a model reads them, with the target of each token; and the same examples padded and packed.
course.drawings.labels = (stage, data, labels) => {
  let [form, family, option] = ["turns", "decoder", "all"];
  const [reading, told] = [course.reading(), course.reading()];
  const options = course.make("div", {});
  const lines = course.make("div", { class: "stage" });
  const special = (text) => (/^<.*>$/.test(text) ? "special" : "");
  const clear = (text) => text.trim();

  const line = ({ dec, targets }, title) => {
    const items = dec.map((text, at) => ({ text, below: targets[at] ?? "\u2212100", look: `${special(text)} ${targets[at] === null ? "" : "target"}` }));
    const element = course.tokens({
      title,
      items,
      pick: (at) => {
        element.set(at);
        reading.say(course.words(targets[at] === null ? labels.off : labels.on, { at, token: clear(dec[at]), target: clear(targets[at] ?? "") }));
      },
    });
    return element;
  };
  const draw = () => {
    const items = data.forms[form][family][option];
    const parts = [];
    items.forEach((alternatives, number) =>
      alternatives.forEach((example, which) => {
        const many = items.length > 1 || alternatives.length > 1;
        const about = { number: number + 1, which: which + 1, of: alternatives.length, weight: example.weight.toFixed(2) };
        const title = !many ? labels.decoderReads : course.words(alternatives.length > 1 ? labels.alternative : labels.example, about);
        if (example.enc) parts.push(course.tokens({ title: labels.encoderReads, items: example.enc.map((text) => ({ text, look: special(text) })) }));
        parts.push(line(example, title));
      }),
    );
    lines.replaceChildren(...parts);
    reading.say(labels[`about_${form}`]);
  };
  const choose = () => {
    const known = Object.keys(data.forms[form][family]);
    option = known[0];
    const named = known.map((key) => [key, labels[`option_${key}`]]);
    options.replaceChildren(known.length > 1 ? course.choice({ label: labels.option, options: named, value: option, change: (key) => ((option = key), draw()) }) : "");
    draw();
  };

  const grid = (packing) => {
    const { documents, targets, tokens } = data.grids[packing];
    const values = documents.map((row, y) => row.map((document, x) => (document ? (targets[y][x] === null ? 0.3 : 1) : null)));
    const element = course.matrix({
      title: labels[packing],
      values,
      rows: labels.rows,
      columns: labels.places,
      pick: (y, x) => {
        element.set(y, x);
        const target = targets[y][x];
        const about = { row: y + 1, place: x, document: documents[y][x], token: clear(tokens[y][x]), target: clear(target ?? "") };
        told.say(course.words(!documents[y][x] ? labels.empty : target === null ? labels.read : labels.learned, about));
      },
    });
    element.classList.add("wide");
    return element;
  };
  stage.append(
    course.make(
      "div",
      { class: "controls" },
      course.choice({ label: labels.form, options: Object.keys(data.forms).map((key) => [key, labels[key]]), value: form, change: (key) => ((form = key), choose()) }),
      course.choice({ label: labels.family, options: ["decoder", "pair"].map((key) => [key, labels[key]]), value: family, change: (key) => ((family = key), choose()) }),
      options,
    ),
    lines,
    reading,
    grid("pad"),
    grid("bestfit"),
    told,
  );
  choose();
  told.say(labels.grids);
};
