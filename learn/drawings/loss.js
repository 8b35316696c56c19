// The probabilities of a text, n x V: a row is a place, a column a letter. Some places carry no loss; two parts have a mean each.
course.drawings.loss = (stage, data, labels) => {
  const count = data.scores.length;
  const shown = (letter) => (letter === " " ? "\u2423" : letter);
  const target = (row) => data.letters.indexOf(data.text[row + 1]);
  const loss = data.scores.map((row, place) => -row[target(place)]);
  let [row, column, prompt, cut] = [5, target(5), 0, count - 4];
  const [reading, told] = [course.reading(), course.make("p", { class: "read" })];
  const matrix = course.matrix({
    title: labels.matrix,
    values: data.scores.map((one) => one.map(Math.exp)),
    rows: labels.place,
    columns: labels.letter,
    pick: (y, x) => go(y, x),
  });
  matrix.classList.add("narrow");
  const line = course.tokens({ title: labels.line, items: [], pick: (place) => go(place, target(place)) });
  const go = (y, x) => {
    [row, column] = [y, x];
    matrix.set(row, column);
    const p = Math.exp(data.scores[row][column]);
    const about = { before: data.text.slice(0, row + 1).replaceAll(" ", "\u2423"), letter: shown(data.letters[column]), p: (100 * p).toFixed(1), target: shown(data.text[row + 1]), loss: loss[row].toFixed(2) };
    reading.say(course.words(column === target(row) ? labels.hit : labels.miss, about));
    draw();
  };
  const draw = () => {
    line.show(loss.map((value, place) => ({ text: shown(data.text[place]), below: place < prompt ? "\u2212100" : value.toFixed(1), look: place < prompt ? "" : "target", faint: place < prompt })));
    line.set(row);
    const sum = (from, to) => loss.slice(from, to).reduce((total, one) => total + one, 0);
    const split = Math.max(prompt, cut);
    const [first, second] = [split - prompt, count - split];
    const mean = sum(prompt, count) / (count - prompt);
    const parts = [first ? sum(prompt, split) / first : null, second ? sum(split, count) / second : null].filter((one) => one !== null);
    const means = parts.reduce((total, one) => total + one, 0) / parts.length;
    told.textContent = course.words(labels.means, { valid: count - prompt, sum: sum(prompt, count).toFixed(2), mean: mean.toFixed(3), first, second, means: means.toFixed(3) });
  };
  stage.append(
    matrix,
    reading,
    course.make(
      "div",
      { class: "controls" },
      course.slider({ label: labels.prompt, min: 0, max: count - 1, value: prompt, change: (value) => ((prompt = value), draw()) }),
      course.slider({ label: labels.cut, min: 1, max: count - 1, value: cut, change: (value) => ((cut = value), draw()) }),
    ),
    line,
    told,
  );
  go(row, column);
};
