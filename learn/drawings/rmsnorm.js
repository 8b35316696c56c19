// A vector that moves and grows, and what both norms make of it: three charts of eight columns.
course.drawings.rmsnorm = (stage, data, labels) => {
  const start = [data.shifts.indexOf(0), data.scales.indexOf(1)];
  let [shift, scale] = start;
  const top = Math.max(...["rms", "layer"].flatMap((kind) => data[kind].flat(2).map(Math.abs)));

  // Columns of numbers around a line at 0; `most` is the number at the top.
  const columns = (title, color) => {
    const box = course.make("div", { class: "part" }, course.make("h3", {}, title));
    const svg = course.svg("svg", { viewBox: "0 0 200 120", role: "img", "aria-label": title, style: { width: "100%", display: "block" } });
    box.append(svg);
    box.show = (values, most) => {
      const parts = [course.svg("line", { x1: 0, x2: 200, y1: 60, y2: 60, stroke: "var(--line)" })];
      values.forEach((value, at) => {
        const high = (46 * value) / most;
        const label = { x: at * 25 + 12.5, y: value < 0 ? 71 - high : 56 - high, "text-anchor": "middle", "font-size": 8.5, fill: "var(--faint)" };
        parts.push(
          course.svg("rect", { x: at * 25 + 3, width: 19, y: Math.min(60, 60 - high), height: Math.max(0.5, Math.abs(high)), fill: `var(--${color})` }),
          course.svg("text", label, value.toFixed(Math.abs(value) >= 10 ? 0 : 1).replace("-", "\u2212")),
        );
      });
      svg.replaceChildren(...parts);
    };
    return box;
  };

  const [input, rms, layer] = [columns(labels.input, "third"), columns(labels.rms, "main"), columns(labels.layer, "warm")];
  const reading = course.reading();
  const moved = (kind) => Math.max(...data[kind][shift][scale].map((value, at) => Math.abs(value - data[kind][start[0]][start[1]][at])));
  const show = () => {
    const vector = data.input[shift][scale];
    input.show(vector, Math.max(...vector.map(Math.abs)));
    rms.show(data.rms[shift][scale], top);
    layer.show(data.layer[shift][scale], top);
    const told = { mean: data.mean[shift][scale], size: data.size[shift][scale] };
    for (const [key, value] of Object.entries(told)) told[key] = value.toFixed(2).replace("-", "\u2212");
    reading.say(course.words(labels.reading, { ...told, rms: moved("rms").toFixed(2), layer: moved("layer").toFixed(2) }));
  };
  const slider = (label, values, at, change) =>
    course.slider({
      label,
      min: 0,
      max: values.length - 1,
      value: at,
      format: (place) => String(values[place]).replace("-", "\u2212"),
      change: (place) => {
        change(place);
        show();
      },
    });
  stage.append(
    course.make(
      "div",
      { class: "controls" },
      slider(labels.shift, data.shifts, shift, (place) => (shift = place)),
      slider(labels.scale, data.scales, scale, (place) => (scale = place)),
    ),
    course.make("div", { class: "pair" }, input, rms, layer),
    reading,
  );
  show();
};
