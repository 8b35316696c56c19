"use strict";
// What each token looks at: a grid of heads, the weights of one head over the text, a switch for each head.

class Heads {
  constructor(panels) {
    Object.assign(this, { panels, head: [0, 0] });
  }
  /** The attentions that the model has: of which stack, and of which kind. */
  get parts() {
    const { encoder, decoder } = this.panels.plan;
    return [
      ...(encoder ? ["encoder.attention"] : []),
      ...(decoder ? ["decoder.attention"] : []),
      ...(encoder && decoder ? ["decoder.cross"] : []),
    ];
  }
  /** The weights of a query under the chosen head, or of all heads together. */
  row(place) {
    const [stack] = $("part").value.split("."),
      [layer, head] = this.head,
      found = this.panels.reader[stack]?.watch.weights[place]?.[`${stack}.${layer}.${$("part").value.split(".")[1]}`];
    if (!found) return null;
    const { weight, S } = found,
      heads = weight.length / S;
    if (head < heads) return weight.subarray(head * S, (head + 1) * S);
    return Float32Array.from({ length: S }, (_, s) => {
      let sum = 0;
      for (let h = 0; h < heads; h++) sum += weight[h * S + s] / heads;
      return sum;
    });
  }
  drawGrid() {
    const part = $("part").value,
      { layers, heads } = this.panels.plan[part.split(".")[0]],
      [layer, head] = this.head,
      name = (l, h) => `${part.split(".")[0]}.${l}.${part.split(".")[1]}.${h}`;
    const cell = (l, h) =>
      el(
        "td",
        {},
        el(
          "button",
          {
            type: "button",
            tabindex: l === layer && h === head ? "0" : "-1",
            "aria-current": String(l === layer && h === head),
            class: this.panels.reader.off.has(name(l, h)) ? "off" : "",
            "aria-label": `${t("layer")} ${l + 1}, ${h < heads ? `${t("head")} ${h + 1}` : t("mean")}`,
            onclick: () => this.choose(l, h),
          },
          h < heads ? String(h + 1) : t("mean"),
        ),
      );
    $("heads").replaceChildren(
      ...[...Array(layers).keys()].map((l) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, `${t("layer")} ${l + 1}`),
          ...[...Array(heads + 1).keys()].map((h) => cell(l, h)),
        ),
      ),
    );
    $("ablate").textContent = t(this.panels.reader.off.has(name(layer, head)) ? "on" : "off");
    $("ablate").disabled = head === heads;
    $("restore").disabled = !this.panels.reader.off.size;
    return head < heads ? name(layer, head) : null;
  }
  choose(layer, head) {
    const { layers, heads } = this.panels.plan[$("part").value.split(".")[0]];
    this.head = [Math.max(0, Math.min(layer, layers - 1)), Math.max(0, Math.min(head, heads))];
    this.draw();
    $("heads").querySelector("[aria-current=true]").focus();
  }
  draw() {
    this.drawGrid();
    const [stack, kind] = $("part").value.split("."),
      side = stack === "encoder" ? "sources" : "targets",
      far = kind === "cross" ? "sources" : side;
    const queries = this.panels.ids(side),
      keys = this.panels.ids(far),
      place = this.panels.side === side ? Math.min(this.panels.at, queries.length - 1) : queries.length - 1,
      row = this.row(place),
      most = 48;
    if (!row) {
      $("map").replaceChildren(el("p", { class: "note" }, queries.length ? t("unkept") : ""));
      return $("gaze").replaceChildren();
    }
    const top = Math.max(...row),
      fromQ = Math.max(0, queries.length - most),
      fromK = Math.max(0, keys.length - most);
    $("gaze").replaceChildren(
      el("span", { class: "note" }, `${this.panels.text(queries[place])} → `),
      ...keys
        .slice(0, row.length)
        .map((id, at) => el("span", { weight: top ? row[at] / top : 0, title: row[at].toFixed(3) }, this.panels.text(id))),
    );
    const line = (q) => {
      const weights = this.row(q);
      return keys.slice(fromK).map((_, at) => {
        const weight = weights?.[fromK + at] ?? 0;
        return el("td", { weight, title: weight.toFixed(3), onclick: () => this.panels.point(side, q) });
      });
    };
    $("map").replaceChildren(
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th"), ...keys.slice(fromK).map((id) => el("th", {}, this.panels.text(id))))),
        el(
          "tbody",
          {},
          ...queries
            .slice(fromQ)
            .map((id, at) =>
              el(
                "tr",
                {},
                el("th", { "aria-current": String(fromQ + at === place) }, this.panels.text(id)),
                ...line(fromQ + at),
              ),
            ),
        ),
      ),
      ...(fromQ || fromK ? [el("p", { class: "note" }, t("part64", { n: most }))] : []),
    );
  }
}
