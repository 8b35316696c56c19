"use strict";
// Byte-level BPE: text to ids and back. A special token never comes out of a text.

/** The letter that stands for each byte in names of tokens. */
const LETTERS = (() => {
  const plain = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return [...Array(256).keys()].map((byte) => String.fromCodePoint(plain(byte) ? byte : next++));
})();
const BYTES = new Map(LETTERS.map((letter, byte) => [letter, byte]));
const SPACE = "\\p{White_Space}";

/** Cut a text where an expression matches; the parts between matches stay. */
function isolated(text, expression) {
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(expression)) {
    if (index > from) parts.push(text.slice(from, index));
    if (found) parts.push(found);
    from = index + found.length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
const literal = (text) => text.replace(/[\\^$.*+?()[\]{}|\/-]/g, "\\$&");

class Tokens {
  constructor(plan) {
    this.plan = plan;
    this.special = new Set(plan.special);
    this.ids = new Map();
    plan.names.forEach((name, id) => {
      if (name !== null && !this.special.has(id)) this.ids.set(name, id);
    });
    this.splits = plan.splits.map((one) => new RegExp(one, "gu"));
    this.ranks = new Map();
    for (let at = 0; at < plan.merges.length; at += 2) {
      const [a, b] = plan.merges.slice(at, at + 2),
        key = a * plan.names.length + b;
      if (!this.ranks.has(key)) this.ranks.set(key, [at / 2, this.ids.get(plan.names[a] + plan.names[b])]);
    }
    this.known = new Map();
    const among = (names) =>
      names.length
        ? new RegExp(
            [...names]
              .sort((a, b) => b.length - a.length)
              .map(literal)
              .join("|"),
            "gu",
          )
        : null;
    this.added = [among(plan.added.raw), among(plan.added.normal)];
    this.pieces = plan.names.map((name, id) =>
      name === null
        ? new Uint8Array()
        : this.special.has(id) || plan.literal.includes(id)
          ? new TextEncoder().encode(name)
          : Uint8Array.from(name, (letter) => BYTES.get(letter)),
    );
  }
  /** The ids of a text. */
  encode(text) {
    const ids = [],
      [raw, normal] = this.added;
    for (const part of raw ? isolated(text.toWellFormed?.() ?? text, raw) : [text]) {
      if (this.plan.added.raw.includes(part)) {
        ids.push(this.ids.get(part));
        continue;
      }
      const composed = this.plan.nfc ? part.normalize("NFC") : part;
      for (const piece of normal ? isolated(composed, normal) : [composed]) {
        if (this.plan.added.normal.includes(piece)) ids.push(this.ids.get(piece));
        else
          for (const word of this.splits.reduce(
            (words, split) => words.flatMap((one) => isolated(one, split)),
            [piece],
          ))
            ids.push(...this.word(word));
      }
    }
    return ids;
  }
  word(text) {
    let found = this.known.get(text);
    if (!found) {
      const name = Array.from(new TextEncoder().encode(text), (byte) => LETTERS[byte]).join(""),
        whole = this.plan.whole && this.ids.get(name);
      found = typeof whole === "number" ? [whole] : this.merge(Array.from(name, (letter) => this.ids.get(letter)));
      if (this.known.size > 20000) this.known.clear();
      this.known.set(text, found);
    }
    return found;
  }
  /** Join the pair of the lowest rank, the first of equals, until there is none. */
  merge(ids) {
    const size = this.plan.names.length,
      rank = (a, b) => this.ranks.get(a * size + b)?.[0] ?? Infinity;
    const ranks = ids.map((id, at) => (at + 1 < ids.length ? rank(id, ids[at + 1]) : Infinity));
    for (;;) {
      let best = 0;
      for (let at = 1; at < ranks.length; at++) if (ranks[at] < ranks[best]) best = at;
      if (!(ranks[best] < Infinity)) return ids;
      ids[best] = this.ranks.get(ids[best] * size + ids[best + 1])[1];
      ids.splice(best + 1, 1);
      ranks.splice(best + 1, 1);
      if (best) ranks[best - 1] = rank(ids[best - 1], ids[best]);
      ranks[best] = best + 1 < ids.length ? rank(ids[best], ids[best + 1]) : Infinity;
    }
  }
  /** The text of ids; bytes that are no UTF-8 become U+FFFD. */
  decode(ids) {
    const parts = ids.map((id) => this.pieces[id] ?? new Uint8Array()),
      bytes = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }
  /** The ids of a text with gaps, each written [MASK] or as the mask token is; the mask takes the spaces that it takes. */
  gapped(text) {
    const { mask } = this.plan,
      name = this.plan.names[mask.id],
      parts = text.replaceAll("[MASK]", () => name).split(name),
      ids = [];
    parts.forEach((part, at) => {
      let own = part;
      if (at && mask.right) own = own.replace(new RegExp(`^${SPACE}+`, "u"), "");
      if (at + 1 < parts.length && mask.left) own = own.replace(new RegExp(`${SPACE}+$`, "u"), "");
      if (at) ids.push(mask.id);
      ids.push(...this.encode(own));
    });
    return ids;
  }
}

/** The ids of one text or two between the special tokens of a model, cut to its length, and the type of each. */
function framed(frame, texts, length) {
  const around = frame.before.length + frame.after.length + (texts.length - 1) * frame.between.length,
    parts = texts.map((one) => [...one]);
  let cut = 0;
  for (let over = parts.flat().length + around - length; over > 0; over--, cut++)
    parts.reduce((a, b) => (b.length > a.length ? b : a)).pop();
  const ids = [...frame.before, ...parts[0]],
    types = ids.map(() => 0);
  if (parts.length > 1) {
    ids.push(...frame.between, ...parts[1]);
    types.push(...frame.between.map(() => 0), ...parts[1].map(() => frame.second));
  }
  ids.push(...frame.after);
  types.push(...frame.after.map(() => (parts.length > 1 ? frame.second : 0)));
  return { ids, types, cut };
}
