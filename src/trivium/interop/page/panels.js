"use strict";
// The parts of the page that show what was read. Text of a person or a model becomes a text node, in `el` and nowhere else.

const $ = (id) => document.getElementById(id);
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "weight") made.style.setProperty("--weight", value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(child))));
  return made;
}
const percent = (p) => `${(100 * p).toFixed(1)} %`;
/** Rows of a name, a bar and a number. */
const bars = (rows) =>
  rows.flatMap(([name, share, said]) => [
    name instanceof Node ? name : el("code", {}, name),
    el("meter", { min: "0", max: "1", value: share }),
    el("span", { class: "note" }, said),
  ]);
const shown = (text) =>
  text.trim() === "" && text ? text.replaceAll("\n", "⏎").replaceAll(" ", "␣").replaceAll("\t", "⇥") : text;

class Panels {
  constructor(plan, tokens, reader) {
    Object.assign(this, { plan, tokens, reader, side: "targets", at: 0, heads: new Heads(this) });
  }
  /** The text of a token; a part of a letter is told by its bytes. */
  text(id) {
    const text = this.tokens.decode([id]);
    const bytes = [...(this.tokens.pieces[id] ?? [])].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0"));
    return text.includes("\ufffd") ? `‹${bytes.join(" ")}›` : shown(text) || `#${id}`;
  }
  /** The ids of a side: `sources`, what an encoder reads, or `targets`, of a decoder. */
  ids(side) {
    return (side === "sources" ? this.reader.source : this.reader.ids) ?? [];
  }
  draw(view) {
    this.view = view;
    const last = this.ids(this.side).length - (this.side === "sources" || this.plan.task !== "write" ? 1 : 0);
    if (!this.ids(this.side).length) this.side = this.ids("targets").length ? "targets" : "sources";
    this.at = Math.max(0, Math.min(this.at, last));
    for (const side of ["sources", "targets"]) this.drawTokens(side);
    this.drawAnswer();
    this.point(this.side, this.at);
  }
  drawTokens(side) {
    const ids = this.ids(side),
      writes = this.plan.task === "write" && side === "targets";
    const chip = (place, text, more) =>
      el(
        "button",
        {
          type: "button",
          onclick: () => this.point(side, place),
          onfocus: () => this.point(side, place),
          onmouseenter: () => this.point(side, place),
          ...more,
        },
        text,
      );
    const made = ids.map((id, place) => {
      const p = writes && place ? this.reader.said(place - 1, id, this.view.temperature).p : 1;
      const kind = [this.tokens.special.has(id) ? "special" : "", writes && place >= this.view.given ? "written" : ""]
        .join(" ")
        .trim();
      return chip(place, this.text(id), { class: kind, weight: 0.85 * Math.min(1, -Math.log(p) / 8) });
    });
    if (writes && ids.length) made.push(chip(ids.length, t("next"), { class: "next" }));
    $(side).replaceChildren(...made);
  }
  /** Show all of one token. */
  point(side, at) {
    Object.assign(this, { side, at });
    for (const name of ["sources", "targets"])
      [...$(name).children].forEach((button, place) => {
        const now = name === side && place === at;
        button.setAttribute("aria-current", String(now));
        button.tabIndex = now ? 0 : -1;
      });
    this.drawChoice();
    this.drawStream();
    this.heads.draw();
  }
  /** Rows of the likeliest tokens; with `go` each is a button. */
  tops(top, chosen, go) {
    return el(
      "div",
      { class: "choices" },
      ...bars(
        top.map(([id, p], rank) => [
          go
            ? el(
                "button",
                {
                  type: "button",
                  title: `${rank}: id ${id}`,
                  "aria-current": String(id === chosen),
                  onclick: () => go(id),
                },
                this.text(id),
              )
            : this.text(id),
          p,
          percent(p),
        ]),
      ),
    );
  }
  drawChoice() {
    const { task, decoder } = this.plan,
      id = this.ids(this.side)[this.at],
      place = this.side === "sources" ? this.at : this.at - 1;
    const states = this.reader.states,
      shows = (task === "write" && this.side === "targets") || task === "fill";
    $("choice").hidden = !shows || !states.length;
    if ($("choice").hidden) return;
    const head = el("h2", {}, t(task === "fill" ? "instead" : id === undefined ? "choicenext" : "choice"));
    if (task === "fill")
      return $("choice").replaceChildren(head, this.tops(this.reader.said(this.at, id, 1).top, id, null));
    if (place < 0) return $("choice").replaceChildren(head, el("p", { class: "note" }, t("first")));
    const said = this.reader.said(place, id, this.view.temperature),
      note = id === undefined ? "" : `id ${id} · ${t("place")} ${this.at} · ${t("probability")} ${percent(said.p)}`;
    $("choice").replaceChildren(
      head,
      el("p", { class: "note" }, note),
      this.tops(said.top, id, (other) => this.view.fork(this.at, other)),
    );
  }
  drawStream() {
    const watch = this.side === "sources" ? this.reader.encoder?.watch : this.reader.decoder?.watch,
      norms = watch?.norms[Math.min(this.at, this.ids(this.side).length - 1)];
    $("stream").hidden = !norms;
    if (!norms) return;
    const most = Math.max(...norms);
    $("stream").replaceChildren(
      el("h2", {}, t("stream")),
      el(
        "div",
        { class: "choices bars" },
        ...bars(norms.map((norm, layer) => [String(layer), norm / most, norm.toPrecision(4)])),
      ),
      el("p", { class: "note" }, t("streamhelp")),
    );
  }
  drawAnswer() {
    const { task, head, tokenizer } = this.plan,
      { reader } = this;
    $("answer").hidden = task === "write" || !reader.states.length;
    if ($("answer").hidden) return;
    if (task === "classify") {
      const scores = reader.labels(),
        order = scores.map((_, at) => at).sort((a, b) => scores[b] - scores[a]),
        number = head.problem_type === "regression";
      $("answer").replaceChildren(
        el("h2", {}, t("labels")),
        el(
          "div",
          { class: "choices" },
          ...bars(
            order.map((at) => [
              head.labels[at],
              number ? 0 : scores[at],
              number ? scores[at].toFixed(3) : percent(scores[at]),
            ]),
          ),
        ),
      );
    } else if (task === "tag") {
      const rows = this.ids(this.plan.decoder ? "targets" : "sources").map((id, place) => {
        const chances = reader.chances([...reader.model.scores(reader.states[place])]),
          best = chances.indexOf(Math.max(...chances));
        return [`${this.text(id)}  ${head.labels[best]}`, chances[best], percent(chances[best])];
      });
      $("answer").replaceChildren(el("h2", {}, t("tags")), el("div", { class: "choices" }, ...bars(rows)));
    } else {
      const gaps = (reader.source ?? []).flatMap((id, place) =>
        tokenizer.mask && id === tokenizer.mask.id ? [place] : [],
      );
      $("answer").replaceChildren(
        el("h2", {}, t("gaps")),
        gaps.length
          ? el(
              "div",
              { class: "columns" },
              ...gaps.map((place) => this.tops(reader.said(place, tokenizer.mask.id, 1).top, null, null)),
            )
          : el("p", { class: "note" }, t("nogaps")),
      );
    }
  }
}
