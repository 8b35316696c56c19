"use strict";
// The arithmetic of layers: matrices, norms, rotations, attention. A tensor is a Float32Array of rows; sums are doubles.

function erf(x) {
  const z = Math.abs(x);
  if (z > 5) return Math.sign(x);
  let term = z,
    sum = z;
  for (let n = 1; term > 1e-17 * sum; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  return ((Math.sign(x) * 2) / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
}
const ACTIVATIONS = {
  relu: (x) => Math.max(x, 0),
  relu2: (x) => Math.max(x, 0) ** 2,
  tanh: Math.tanh,
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};
function capped(x, cap) {
  return cap ? cap * Math.tanh(x / cap) : x;
}

/** Which keys a query sees, by the places of both. */
const PATTERNS = {
  full: () => true,
  causal: (_, q, k) => k <= q,
  window: (p, q, k) => (p.both ? Math.abs(q - k) < p.size : q >= k && q - k < p.size),
  dilated: (p, q, k) => {
    const span = (p.size - 1) * p.step + 1;
    return (p.both ? Math.abs(q - k) < span : q >= k && q - k < span) && (q - k) % p.step === 0;
  },
  global: (p, q, k) => p.tokens.includes(q) || p.tokens.includes(k),
  block: (p, q, k) => Math.floor(q / p.size) === Math.floor(k / p.size),
  strided: (p, q, k) => q >= k && (q - k < p.stride || (q - k) % p.stride === 0),
  fixed: (p, q, k) =>
    k <= q && (Math.floor(q / p.stride) === Math.floor(k / p.stride) || k % p.stride >= p.stride - p.summary),
  and: (p, q, k) => p.of.every((one) => PATTERNS[one.kind](one, q, k)),
  or: (p, q, k) => p.of.some((one) => PATTERNS[one.kind](one, q, k)),
};

/** The tensors of a blob by name; a matrix of bytes has a scale for each row. */
class Weights {
  constructor(index, bytes) {
    this.index = index;
    this.bytes = bytes;
    this.made = new Map();
  }
  get(name) {
    if (!this.made.has(name)) this.made.set(name, name in this.index ? this.make(this.index[name]) : null);
    return this.made.get(name);
  }
  make({ shape, at, scale }) {
    const count = shape.reduce((a, b) => a * b, 1),
      { buffer, byteOffset } = this.bytes;
    const floats = (from, size) => new Float32Array(buffer, byteOffset + from, size);
    const data = scale === undefined ? floats(at, count) : new Int8Array(buffer, byteOffset + at, count);
    return {
      rows: shape[0],
      columns: shape[1] ?? 1,
      data,
      scale: scale === undefined ? null : floats(scale, shape[0]),
    };
  }
  row(name, number) {
    const { columns, data, scale } = this.get(name),
      from = number * columns;
    return Float32Array.from(data.subarray(from, from + columns), (value) => (scale ? value * scale[number] : value));
  }
}

/** x W^T + b of T rows. */
function linear(x, T, weight, bias) {
  const { rows, columns, data, scale } = weight,
    y = new Float32Array(T * rows);
  for (let o = 0; o < rows; o++) {
    const at = o * columns,
      factor = scale ? scale[o] : 1,
      add = bias ? bias.data[o] : 0;
    for (let t = 0; t < T; t++) {
      const from = t * columns;
      let a = 0,
        b = 0,
        c = 0,
        d = 0,
        i = 0;
      for (; i + 3 < columns; i += 4) {
        a += data[at + i] * x[from + i];
        b += data[at + i + 1] * x[from + i + 1];
        c += data[at + i + 2] * x[from + i + 2];
        d += data[at + i + 3] * x[from + i + 3];
      }
      for (; i < columns; i++) a += data[at + i] * x[from + i];
      y[t * rows + o] = (a + b + c + d) * factor + add;
    }
  }
  return y;
}

/** Each run of `size` numbers, normalised. Without a weight it is the identity. */
function normed(x, size, config, weight, bias) {
  if (!weight) return x;
  const y = new Float32Array(x.length),
    layer = config.kind === "layer";
  for (let from = 0; from < x.length; from += size) {
    let mean = 0,
      square = 0;
    if (layer) {
      for (let i = 0; i < size; i++) mean += x[from + i];
      mean /= size;
    }
    for (let i = 0; i < size; i++) square += (x[from + i] - mean) ** 2;
    const by = 1 / Math.sqrt(square / size + config.eps);
    for (let i = 0; i < size; i++)
      y[from + i] = (x[from + i] - mean) * by * (weight.data[i] + (config.offset ?? 0)) + (bias ? bias.data[i] : 0);
  }
  return y;
}

/** Rows that grow at their end and are cut there: the keys or values that a layer keeps. */
class Rows {
  constructor(width) {
    this.width = width;
    this.count = 0;
    this.data = new Float32Array(16 * width);
  }
  push(more) {
    const used = this.count * this.width;
    if (used + more.length > this.data.length) {
      const wider = new Float32Array(Math.max(2 * this.data.length, used + more.length));
      wider.set(this.data.subarray(0, used));
      this.data = wider;
    }
    this.data.set(more, used);
    this.count += more.length / this.width;
  }
}

/** Rotate the pairs (i, i + R/2) of each head of T rows from the place `first` on. */
function rotate(x, T, heads, size, first, frequency, magnitude) {
  const half = frequency.rows,
    width = x.length / T;
  for (let t = 0; t < T; t++)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround((first + t) * frequency.data[i]);
      const cos = Math.fround(Math.cos(angle) * magnitude),
        sin = Math.fround(Math.sin(angle) * magnitude);
      for (let h = 0; h < heads; h++) {
        const at = t * width + h * size + i,
          a = x[at],
          b = x[at + half];
        x[at] = a * cos - b * sin;
        x[at + half] = b * cos + a * sin;
      }
    }
}

/** Attend: T queries from the place `first` on to all kept keys. `told` gets each query's weights, heads x keys. */
function mix(q, T, first, keys, values, how, allow, bias, off, told) {
  const { heads, size, scale, softcap } = how,
    S = keys.count,
    group = heads / how.kv_heads,
    out = new Float32Array(T * heads * size);
  for (let t = 0; t < T; t++) {
    const weight = new Float32Array(heads * S),
      seen = [];
    for (let s = 0; s < S; s++) if (allow(first + t, s)) seen.push(s);
    for (let h = 0; h < heads; h++) {
      const from = (t * heads + h) * size,
        shared = Math.floor(h / group) * size;
      let most = -Infinity,
        sum = 0;
      for (const s of seen) {
        const key = s * keys.width + shared;
        let dot = 0;
        for (let i = 0; i < size; i++) dot += q[from + i] * keys.data[key + i];
        most = Math.max(most, (weight[h * S + s] = capped(dot * scale, softcap) + bias(h, s - first - t)));
      }
      for (const s of seen) sum += weight[h * S + s] = Math.exp(weight[h * S + s] - most);
      for (const s of seen) weight[h * S + s] /= sum;
      if (off.has(h)) continue;
      for (let i = 0; i < size; i++) {
        let add = 0;
        for (const s of seen) add += weight[h * S + s] * values.data[s * values.width + shared + i];
        out[from + i] = add;
      }
    }
    told(first + t, weight, S);
  }
  return out;
}

/** What a position kind adds to the score of a head for a key `ahead` of its query. */
function biasOf(kind, weights, name) {
  if (kind === "bucket") {
    const table = weights.get(`${name}.bias`),
      far = (table.columns - 1) / 2;
    return (h, ahead) => table.data[h * table.columns + Math.max(-far, Math.min(far, ahead)) + far];
  }
  if (kind === "alibi") {
    const slope = weights.get(`${name}.slope`).data;
    return (h, ahead) => -slope[h] * Math.abs(ahead);
  }
  return () => 0;
}
