"use strict";
// A text in progress: what a model has read of it, how likely each token was, and how the next one is chosen.

class Reader {
  constructor(model, tokens) {
    Object.assign(this, { model, tokens, off: new Set(), plan: model.plan });
    this.forget();
  }
  /** Read all anew: other heads are off. */
  forget() {
    this.source = this.key = this.encoder = this.memory = null;
    this.begin();
  }
  begin() {
    this.decoder = null;
    this.ids = [];
    this.states = [];
    this.seen = [];
  }
  /** The prompt of texts: what the encoder reads, the ids that the decoder begins with, and how many tokens were cut. */
  prompt(texts, target, turn) {
    const { plan, tokens } = this,
      both = plan.family === "encoder_decoder",
      asked = (text) => {
        const { before, after, prefix } = plan.turn,
          own = tokens.encode(text.startsWith(prefix) ? text : prefix + text);
        return framed({ before, after, between: [], second: 0 }, [own], plan.length);
      };
    const labels = plan.task === "classify" || plan.task === "tag",
      given = texts.filter((text, at) => !at || text);
    const laid = turn
      ? asked(given[0])
      : framed(
          plan.frame,
          given.map((text) =>
            plan.task === "fill" && plan.tokenizer.mask ? tokens.gapped(text) : tokens.encode(text),
          ),
          plan.length,
        );
    if (plan.family === "encoder") return { source: laid.ids, types: laid.types, ids: [], cut: laid.cut };
    if (!both) return { source: null, ids: laid.ids, cut: laid.cut };
    const first = plan.wrap && labels ? laid.ids.at(-1) : plan.start;
    return {
      source: laid.ids,
      types: laid.types,
      ids: [first, ...(labels ? laid.ids.slice(0, -1) : tokens.encode(target))].slice(0, plan.length),
      cut: laid.cut,
    };
  }
  /** Read what the encoder reads. */
  readSource(ids, types) {
    const key = String([ids, types]);
    if (!ids || key === this.key) return;
    this.begin();
    Object.assign(this, { source: ids, key });
    this.encoder = this.model.stack("encoder", null, this.off);
    const states = this.encoder.read(ids, types);
    if (this.plan.decoder) this.memory = this.model.memory(states);
    else this.states = this.rows(states);
  }
  rows(states) {
    const D = this.plan.hidden_size;
    return [...Array(states.length / D).keys()].map((at) => states.slice(at * D, (at + 1) * D));
  }
  /** Read the ids of the decoder; what is the same as before is not read again. */
  read(ids) {
    let same = 0;
    while (same < ids.length && ids[same] === this.ids[same]) same++;
    this.decoder ??= this.model.stack("decoder", this.memory, this.off);
    this.decoder.trim(same);
    this.states.length = same;
    this.seen.length = Math.min(this.seen.length, same);
    if (same < ids.length) this.states.push(...this.rows(this.decoder.read(ids.slice(same))));
    this.ids = [...ids];
  }
  /** The scores of tokens at a place; ids that only pad the table are none. */
  scores(place) {
    const state = this.states[place]; // a token that was chosen is shown next: its scores are there
    if (this.scored?.state !== state)
      this.scored = { state, scores: this.model.scores(state).subarray(0, this.plan.tokenizer.names.length) };
    return this.scored.scores;
  }
  /** What the model says at a place, at a temperature: the likeliest ids and their probabilities, and that of `id`. */
  said(place, id, temperature) {
    const kept = this.seen[place],
      by = temperature || 1;
    if (kept && kept.id === id && kept.by === by) return kept;
    const scores = this.scores(place),
      most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    let sum = 0;
    const p = Float64Array.from(scores, (score) => Math.exp((score - most) / by));
    for (const one of p) sum += one;
    const top = [];
    for (let other = 0; other < p.length; other++)
      if (top.length < 10 || p[other] > p[top[9]]) {
        const at = top.findIndex((one) => p[other] > p[one]);
        top.splice(at < 0 ? top.length : at, 0, other);
        top.length = Math.min(top.length, 10);
      }
    return (this.seen[place] = {
      id,
      by,
      p: id === undefined ? null : p[id] / sum,
      top: top.map((one) => [one, p[one] / sum]),
    });
  }
  /** Choose the id after those that were read: the likeliest at temperature 0, else by chance. */
  choose(made, end, temperature, random) {
    const { forced } = this.plan,
      must = made === 0 ? forced.first : made + 1 === end ? forced.last : undefined;
    if (must !== undefined) return must;
    const scores = this.scores(this.ids.length - 1);
    let best = 0;
    for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
    if (!temperature) return best;
    const p = Float64Array.from(scores, (score) => Math.exp((score - scores[best]) / temperature));
    let rest = random() * p.reduce((a, b) => a + b, 0),
      at = 0;
    for (; at + 1 < p.length && (rest -= p[at]) >= 0; at++);
    return at;
  }
  /** Yield the ids after each new one, at most `most`; return why the text ended. At `end` stands the id that is last. */
  *write(ids, given, most, temperature = 0, random = Math.random, end = most) {
    for (let made = ids.length - given; made < most; made++) {
      if (this.plan.limit !== null && ids.length > this.plan.limit) return "length";
      this.read(ids);
      const id = this.choose(made, end, temperature, random);
      if (this.plan.stops.includes(id)) return "stop";
      ids = [...ids, id];
      yield ids;
    }
    return "length";
  }
  /** The mean of -log p over the tokens from the second on, or null. */
  loss() {
    const found = this.ids.slice(1).map((id, at) => -Math.log(this.said(at, id, 1).p));
    return found.length ? found.reduce((a, b) => a + b) / found.length : null;
  }
  /** The probability of each label of a text, or a number of a regression. */
  labels() {
    const { head } = this.plan,
      D = this.plan.hidden_size,
      states = this.states,
      ids = this.source ?? this.ids;
    const sum = (weight) =>
      states.reduce((all, row, t) => all.map((value, i) => value + row[i] * weight(t)), new Float32Array(D));
    const total = (states.length * (states.length + 1)) / 2;
    const last = head.eos === null || !ids.includes(head.eos) ? states.length - 1 : ids.lastIndexOf(head.eos);
    const pooled = {
      first: () => states[0],
      last: () => states[last],
      max: () => states.reduce((a, b) => a.map((value, i) => Math.max(value, b[i]))),
      mean: () => sum(() => 1 / states.length),
      mean_sqrt_len: () => sum(() => states.length ** -0.5),
      weightedmean: () => sum((t) => (t + 1) / total),
    }[head.pool]();
    return this.chances([...this.model.scores(pooled)]);
  }
  chances(scores) {
    const { head } = this.plan,
      most = Math.max(...scores);
    if (head.problem_type === "regression") return scores;
    if (head.problem_type === "multi_label_classification" || (this.plan.task === "classify" && scores.length === 1))
      return scores.map((score) => 1 / (1 + Math.exp(-score)));
    const p = scores.map((score) => Math.exp(score - most)),
      all = p.reduce((a, b) => a + b);
    return p.map((one) => one / all);
  }
}
