"use strict";
// A model: ids to hidden states to scores. The description ("plan") has the fields of the model's config, and weights have
// the names that they have in Python.

/** What was seen in a pass: for each place the stream's length after each layer, and the weights of each attention. */
class Watch {
  constructor() {
    this.norms = [];
    this.weights = [];
    this.room = 1 << 25;
  }
  stream(first, T, size, x) {
    for (let t = 0; t < T; t++) {
      let sum = 0;
      for (let i = t * size; i < (t + 1) * size; i++) sum += x[i] ** 2;
      (this.norms[first + t] ??= []).push(Math.sqrt(sum));
    }
  }
  attention(name) {
    return (place, weight, S) => {
      if ((this.room -= weight.length) > 0) (this.weights[place] ??= {})[name] = { weight, S };
    };
  }
  trim(count) {
    for (const one of this.weights.slice(count))
      for (const { weight } of Object.values(one ?? {})) this.room += weight.length;
    this.norms.length = Math.min(count, this.norms.length);
    this.weights.length = Math.min(count, this.weights.length);
  }
}

/** An encoder or a decoder, with the keys and values of what it has read. `off` has names of heads, "decoder.0.attention.3". */
class Stack {
  constructor(model, name, memory, off) {
    Object.assign(this, {
      name,
      memory,
      off,
      weights: model.weights,
      config: model.plan[name],
      count: 0,
      watch: new Watch(),
    });
    const width = this.config.kv_heads * this.config.head_size,
      layers = [...Array(this.config.layers).keys()];
    this.kept = layers.map(() => ({ attention: [new Rows(width), new Rows(width)] }));
    if (memory)
      layers.forEach((at) => {
        this.kept[at].cross = this.keys(`${name}.blocks.${at}.cross`, memory, memory.length / this.config.memory_size);
      });
  }
  trim(count) {
    this.count = count;
    for (const { attention } of this.kept) for (const rows of attention) rows.count = count;
    this.watch.trim(count);
  }
  linear(x, T, name) {
    return linear(x, T, this.weights.get(`${name}.weight`), this.weights.get(`${name}.bias`));
  }
  norm(x, name, config = this.config.norm, size = this.config.width) {
    return normed(x, size, config, this.weights.get(`${name}.weight`), this.weights.get(`${name}.bias`));
  }
  headNorm(x, name) {
    const joint = this.config.qk_norm.kind === "rms_joint",
      weight = this.weights.get(`${name}.weight`);
    return this.norm(x, name, this.config.qk_norm, joint && weight ? weight.rows : this.config.head_size);
  }
  keys(name, memory, S) {
    return ["k", "v"].map((part) => {
      const made = new Rows(this.config.kv_heads * this.config.head_size);
      made.push(this.linear(memory, S, `${name}.${part}`));
      return made;
    });
  }
  attend(x, T, layer, part) {
    const { config } = this,
      name = `${this.name}.blocks.${layer}.${part}`,
      cross = part === "cross",
      size = config.head_size;
    const at = layer % config.position.length,
      position = config.position[at],
      place = `${this.name}.relative.${at}`;
    let q = this.linear(x, T, `${name}.q`);
    const [keys, values] = this.kept[layer][part];
    if (!cross) {
      let k = this.linear(x, T, `${name}.k`);
      q = this.headNorm(q, `${name}.q_norm`);
      k = this.headNorm(k, `${name}.k_norm`);
      if (position.kind === "rope") {
        const turn = [size, this.count, this.weights.get(`${place}.frequency`), position.magnitude];
        rotate(q, T, config.heads, ...turn);
        rotate(k, T, config.kv_heads, ...turn);
      }
      keys.push(k);
      values.push(this.linear(x, T, `${name}.v`));
    }
    const pattern = cross ? { kind: "full" } : config.pattern[layer % config.pattern.length];
    const allow = (a, b) => PATTERNS[pattern.kind](pattern, a, b),
      bias = cross ? () => 0 : biasOf(position.kind, this.weights, place);
    const own = `${this.name}.${layer}.${part}`,
      off = new Set([...Array(config.heads).keys()].filter((h) => this.off.has(`${own}.${h}`)));
    const how = {
      heads: config.heads,
      kv_heads: config.kv_heads,
      size,
      scale: config.scales[layer],
      softcap: config.softcap,
    };
    return this.linear(
      mix(q, T, this.count, keys, values, how, allow, bias, off, this.watch.attention(own)),
      T,
      `${name}.o`,
    );
  }
  forward(x, T, layer) {
    const name = `${this.name}.blocks.${layer}.ffn`,
      act = ACTIVATIONS[this.config.ffn.activation];
    let inner = this.linear(x, T, `${name}.up`);
    if (this.config.ffn.kind === "glu")
      inner = this.linear(x, T, `${name}.gate`).map((gate, i) => Math.fround(act(gate)) * inner[i]);
    else inner = inner.map(act);
    return this.linear(inner, T, `${name}.down`);
  }
  block(x, T, layer) {
    const name = `${this.name}.blocks.${layer}.residual.norms`,
      kind = this.config.residual.kind,
      add = (a, b) => a.map((value, i) => value + b[i]);
    const parts = [
      (h) => this.attend(h, T, layer, "attention"),
      ...(this.memory ? [(h) => this.attend(h, T, layer, "cross")] : []),
      (h) => this.forward(h, T, layer),
    ];
    if (kind === "parallel") {
      const h = this.norm(x, `${name}.0`);
      return add(x, parts.map((part) => part(h)).reduce(add));
    }
    parts.forEach((part, at) => {
      if (kind === "pre") x = add(x, part(this.norm(x, `${name}.${at}`)));
      else if (kind === "post") x = this.norm(add(x, part(x)), `${name}.${at}`);
      else x = add(x, this.norm(part(this.norm(x, `${name}.${2 * at}`)), `${name}.${2 * at + 1}`));
    });
    return x;
  }
  input(ids, types) {
    const { width, embed, position } = this.config,
      name = `inputs.${this.name}`,
      x = new Float32Array(ids.length * width),
      first = position[0];
    const factor = embed.scale ? Math.fround(Math.sqrt(width)) : 1,
      frequency = this.weights.get(`${name}.position.frequency`);
    ids.forEach((id, t) => {
      const row = x.subarray(t * width, (t + 1) * width),
        place = this.count + t + (first.offset ?? 0);
      row.set(this.weights.row("tokens.weight", id).map((value) => value * factor));
      if (embed.types)
        this.weights.row(`${name}.types.weight`, types?.[t] ?? 0).forEach((value, i) => {
          row[i] += value;
        });
      if (first.kind === "learned")
        this.weights.row(`${name}.position.weight`, place).forEach((value, i) => {
          row[i] += value;
        });
      if (frequency)
        for (let i = 0; i < frequency.rows; i++) {
          const angle = Math.fround(place * frequency.data[i]);
          row[i] += Math.fround(Math.sin(angle));
          row[frequency.rows + i] += Math.fround(Math.cos(angle));
        }
    });
    return this.norm(x, `${name}.norm`, embed.norm);
  }
  /** Read ids behind those that were read; return their last states. */
  read(ids, types) {
    const T = ids.length,
      { width, layers } = this.config;
    let x = this.input(ids, types);
    this.watch.stream(this.count, T, width, x);
    for (let layer = 0; layer < layers; layer++) {
      x = this.block(x, T, layer);
      this.watch.stream(this.count, T, width, x);
    }
    this.count += T;
    return this.norm(x, `${this.name}.norm`);
  }
}

/** A model: its stacks are made for each text. */
class Model {
  constructor(plan, bytes) {
    this.plan = plan;
    this.weights = new Weights(plan.weights, bytes);
  }
  stack(name, memory = null, off = new Set()) {
    return new Stack(this, name, memory, off);
  }
  /** The states of an encoder as the decoder reads them. */
  memory(states) {
    const weight = this.weights.get("project.weight");
    return weight ? linear(states, states.length / weight.columns, weight, this.weights.get("project.bias")) : states;
  }
  /** The scores of the head for rows of states. */
  scores(states) {
    const { head, hidden_size } = this.plan,
      T = states.length / hidden_size,
      get = (name) => this.weights.get(`head.${name}`);
    let x = states;
    if (get("dense.weight")) {
      x = linear(x, T, get("dense.weight"), get("dense.bias")).map(ACTIVATIONS[head.activation]);
      x = normed(x, hidden_size, head.norm, get("norm.weight"), get("norm.bias"));
    }
    if (get("out.weight")) return linear(x, T, get("out.weight"), get("out.bias"));
    if (head.scale) x = x.map((value) => value * hidden_size ** -0.5);
    const scores = linear(x, T, get("weight") ?? this.weights.get("tokens.weight"), get("bias"));
    return head.softcap ? scores.map((value) => capped(value, head.softcap)) : scores;
  }
}
