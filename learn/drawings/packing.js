// Forty documents in rows of 1,024 places by three plans; a colour is a document, and one can be picked.
course.drawings.packing = (stage, data, labels) => {
  const colours = ["main", "warm", "third", "fourth"];
  let [name, at] = ["bestfit", 0];
  const reading = course.reading();
  const grid = course.make("div", { class: "packed", tabindex: 0, role: "application", "aria-label": labels.caption });
  let pieces = [];

  const mark = () => {
    pieces.forEach(({ element, document }, place) => {
      element.classList.toggle("here", place === at);
      element.classList.toggle("same", document === pieces[at].document && place !== at);
    });
    const { document, start, length, row } = pieces[at];
    const whole = data.lengths[document];
    const about = { document: document + 1, whole: course.number(whole), row: row + 1, start, end: start + length };
    reading.say(course.words(length < whole ? labels.part : labels.entire, about));
  };
  const go = (place) => {
    at = Math.max(0, Math.min(pieces.length - 1, place));
    mark();
  };
  const told = course.make("p", { class: "read" });
  const draw = () => {
    const plan = data.plans[name];
    pieces = [];
    grid.replaceChildren(
      ...plan.rows.map((row, number) =>
        course.make(
          "div",
          { class: "row" },
          ...row.map(([document, start, length]) => {
            const place = pieces.length;
            const style = { width: `${(100 * length) / data.room}%`, background: `var(--${colours[document % colours.length]})` };
            const element = course.make("div", { class: "piece", style, pointerenter: () => go(place), pointerdown: () => go(place) });
            pieces.push({ element, document, start, length, row: number });
            return element;
          }),
        ),
      ),
    );
    told.textContent = course.words(labels.plan, { rows: plan.rows.length, waste: (100 * plan.waste).toFixed(1), cut: plan.cut });
    go(0);
  };
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    go(at + step);
  });
  const options = Object.keys(data.plans).map((key) => [key, labels[key]]);
  stage.append(
    course.make("div", { class: "controls" }, course.choice({ label: labels.planner, options, value: name, change: (key) => ((name = key), draw()) })),
    told,
    grid,
    reading,
  );
  draw();
};
