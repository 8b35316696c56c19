// One sentence under four objectives: what each stack reads, what must be predicted, and what a position sees.
course.drawings.objectives = (stage, data, labels) => {
  let [kind, draw, at] = ["causal", 0, 3];
  const reading = course.reading();
  const sides = course.make("div", { class: "stage" });
  let shown = {};

  const light = () => {
    const now = data.kinds[kind][draw];
    const own = now.sides.decoder ? "decoder" : "encoder";
    at = Math.min(at, now.targets.length - 1);
    let count = 0;
    for (const [side, { tokens, special, seen }] of Object.entries(now.sides)) {
      const sees = tokens.map((_, place) => side !== own || seen[at][place] === "#");
      count += sees.filter(Boolean).length;
      shown[side].show(
        tokens.map((text, place) => {
          const target = side === own ? now.targets[place] : undefined;
          const look = `${special[place] ? "special" : ""} ${target ? "target" : ""}`;
          return { text, look, faint: !sees[place], below: target === null ? "\u00b7" : target };
        }),
      );
      if (side === own) shown[side].set(at);
    }
    const [token, target] = [now.sides[own].tokens[at], now.targets[at]];
    const mask = own === "encoder" && target && token !== target;
    const words = { token: token.trim(), target: (target || "").trim(), count };
    reading.say(course.words(target === null ? labels.nothing : mask ? labels.restores : labels.predicts, words));
  };

  const build = () => {
    const now = data.kinds[kind][draw];
    const own = now.sides.decoder ? "decoder" : "encoder";
    shown = {};
    for (const side of Object.keys(now.sides))
      shown[side] = course.tokens({
        title: labels[side],
        items: [],
        pick: side === own ? (place) => ((at = place), light()) : null,
      });
    sides.replaceChildren(...Object.values(shown));
    light();
  };

  stage.append(
    course.make(
      "div",
      { class: "controls" },
      course.choice({ label: labels.kind, options: Object.keys(data.kinds).map((key) => [key, labels[key]]), value: kind, change: (key) => ((kind = key), build()) }),
      course.slider({ label: labels.draw, min: 1, max: data.kinds.causal.length, value: 1, change: (value) => ((draw = value - 1), build()) }),
    ),
    sides,
    reading,
  );
  build();
};
