// One small page through every step: raw, clean, sentences, tokens after so many merges, a row.
course.drawings.rows = (stage, data, labels) => {
  let [step, merges, at] = ["raw", data.steps.length - 1, 3];
  const reading = course.reading();
  const room = course.make("div", { class: "stage" });
  const marks = (text) => text.replace(/\r/g, "\\r").replace(/\u0007/g, "\\x07");
  const words = (text) => course.make("pre", { class: "text" }, course.make("code", {}, marks(text)));

  const tokens = course.tokens({ title: labels.tokens, items: [] });
  const slider = course.slider({
    label: labels.merges,
    min: 0,
    max: data.steps.length - 1,
    value: merges,
    format: (now) => String(data.steps[now].count),
    change: (now) => ((merges = now), draw()),
  });
  const row = course.tokens({ title: labels.row, items: [], pick: (place) => ((at = place), draw()) });

  const parts = {
    raw: () => {
      reading.say(course.words(labels.rawReading, { count: data.raw.length }));
      return [words(data.raw)];
    },
    clean: () => {
      reading.say(course.words(labels.cleanReading, { count: data.clean.length, repairs: data.repairs.map(([what, times]) => `${times} \u00d7 ${what}`).join(", ") }));
      return [words(data.clean)];
    },
    sentences: () => {
      reading.say(course.words(labels.sentencesReading, { count: data.sentences.length }));
      return [course.make("ol", { class: "pieces" }, ...data.sentences.map((one) => course.make("li", {}, one)))];
    },
    tokens: () => {
      const now = data.steps[merges];
      tokens.show(now.tokens.map((text) => ({ text, look: /^[0-9A-F]{2}( [0-9A-F]{2})*$/.test(text) ? "special" : "" })));
      const newest = data.merges.slice(Math.max(0, now.count - 4), now.count).map((one) => `\u201c${one.replace(/^ /, "\u2423").replace(/\n/g, "\u21b5")}\u201d`);
      reading.say(course.words(newest.length ? labels.tokensReading : labels.bytesReading, { count: now.tokens.length, bytes: data.bytes, newest: newest.join(" ") }));
      return [course.make("div", { class: "controls" }, slider), tokens];
    },
    row: () => {
      const { ids, targets, documents, positions } = data.row;
      row.show(
        ids.map((text, place) => ({
          text,
          below: targets[place] ?? "\u00b7",
          faint: documents[place] !== documents[at],
          look: `${/^<.*>$/.test(text) ? "special" : ""} ${targets[place] === null ? "" : "target"}`,
        })),
      );
      row.set(at);
      const about = { place: at, position: positions[at], document: documents[at], target: (targets[at] ?? "").trim(), token: ids[at].trim() };
      reading.say(course.words(documents[at] ? (targets[at] === null ? labels.lastReading : labels.rowReading) : labels.padReading, about));
      return [row];
    },
  };
  const draw = () => {
    const focused = room.contains(document.activeElement);
    const now = parts[step]();
    if (!focused || [...room.children].length !== now.length || now.some((one, place) => room.children[place] !== one && step !== "tokens")) room.replaceChildren(...now);
  };
  stage.append(
    course.make("div", { class: "controls" }, course.choice({ label: labels.step, options: Object.keys(parts).map((key) => [key, labels[key]]), value: step, change: (key) => ((step = key), draw()) })),
    room,
    reading,
  );
  draw();
};
