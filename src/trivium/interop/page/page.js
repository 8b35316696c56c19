"use strict";
// What a person does: types, writes, goes on from another choice, switches heads off.

// What a person chose for the page is kept in the browser; texts are not.
const kept = {
  get: (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set: (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      /* a browser that keeps nothing */
    }
  },
};
const WORDS = JSON.parse($("words").textContent),
  THEMES = ["auto", "light", "dark"];
let language = kept.get("language") in WORDS ? kept.get("language") : navigator.language.startsWith("zh") ? "zh" : "en";
let theme = THEMES.includes(kept.get("theme")) ? kept.get("theme") : "auto";
const t = (name, values = {}) => (WORDS[language][name] ?? name).replace(/\{(\w+)\}/g, (_, key) => values[key]);

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text),
    bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return bytes;
}
const plan = JSON.parse($("plan").textContent),
  model = new Model(plan, bytesOf($("weights").textContent.trim()));
const tokens = new Tokens(plan.tokenizer),
  reader = new Reader(model, tokens),
  panels = new Panels(plan, tokens, reader);
const pause = () => new Promise((go) => setTimeout(go));
const guarded =
  (work) =>
  async (...given) => {
    try {
      tell(null);
      await work(...given);
    } catch (error) {
      tell(error);
    }
  };
const alone = plan.family === "decoder" && plan.task === "write";
let view = { ids: [], given: 0, temperature: 0, fork: guarded(fork) },
  job = 0,
  typed = false, // whether something was typed that was not read
  whole = { key: "", loss: null };

const temperature = () => Math.max(0, Number($("temperature").value) || 0);
function tell(error) {
  $("problem").hidden = !error;
  $("problem").textContent = error ? error.message : "";
}
/** Read ids piece by piece, so that a long text does not stop the page; false where a person did something else. */
async function read(ids, mine) {
  for (let end = Math.min(reader.ids.length + 24, ids.length); ; end = Math.min(end + 24, ids.length)) {
    if (mine !== job) return false;
    reader.read(ids.slice(0, end));
    if (end === ids.length) return true;
    await pause();
  }
}
function status(more = "") {
  const loss = plan.task === "write" && reader.ids.length ? reader.loss() : null,
    key = String([reader.source, reader.ids]);
  if (loss !== null && !reader.off.size) whole = { key, loss };
  const said =
    loss === null
      ? ""
      : reader.off.size && whole.key === key
        ? t("lossoff", { n: loss.toFixed(3), m: whole.loss.toFixed(3) })
        : t("loss", { n: loss.toFixed(3) });
  $("told").textContent = [said, more].filter((one) => one).join(" · ");
}
/** Read what stands in the page. */
async function reread(ids = null) {
  const mine = ++job,
    texts = alone ? [$("target").value] : [$("source").value, $("second").value];
  await pause(); // a key that was pressed meanwhile comes first
  if (mine !== job) return false;
  const found = reader.prompt(texts, $("target").value, plan.turn && $("turn").checked);
  typed = false;
  reader.readSource(found.source, found.types);
  view = { ...view, temperature: temperature(), ids: ids ?? found.ids, given: ids ? view.given : found.ids.length };
  if (plan.decoder && view.ids.length && !(await read(view.ids, mine))) return false;
  if (!view.ids.length && plan.decoder) reader.begin();
  if (!ids && plan.task === "write") Object.assign(panels, { side: "targets", at: Infinity }); // what comes next
  panels.draw(view);
  status(found.cut ? t("cut", { n: found.cut }) : "");
  return true;
}
/** Write new tokens behind what stands there. */
async function go(most) {
  if (typed && !(await reread())) return;
  const mine = ++job;
  if (!view.ids.length) return tell(new Error(t("empty")));
  $("stop").hidden = false;
  let ended = "";
  try {
    if (!(await read(view.ids, mine))) return;
    const made = view.ids.length - view.given,
      writing = reader.write(
        view.ids,
        view.given,
        made + most,
        temperature(),
        Math.random,
        most > 1 ? made + most : Infinity,
      );
    for (let next = writing.next(); ; next = writing.next()) {
      if (next.done) {
        ended = next.value === "stop" ? t("ended") : reader.ids.length >= (plan.limit ?? Infinity) ? t("full") : "";
        break;
      }
      view = { ...view, ids: next.value, temperature: temperature() };
      reader.read(view.ids);
      panels.at = view.ids.length;
      panels.side = "targets";
      panels.draw(view);
      await pause();
      if (mine !== job) return;
    }
    panels.draw(view);
    status(ended);
  } finally {
    if (mine === job) $("stop").hidden = true;
  }
}
/** Go on from another choice at a place. */
async function fork(place, id) {
  const ids = [...view.ids.slice(0, place), id];
  view = { ...view, ids, given: Math.min(view.given, place) };
  panels.at = place;
  if (await reread(ids)) await go(Math.max(1, Number($("more").value) || 1) - 1);
}
async function ablate(name) {
  if (!name) reader.off.clear();
  else if (!reader.off.delete(name)) reader.off.add(name);
  reader.forget();
  await reread(view.ids);
}

function speak() {
  document.documentElement.lang = language;
  document.documentElement.dataset.theme = theme;
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
  $("language").textContent = language === "en" ? "中文" : "English";
  $("language").lang = language === "en" ? "zh" : "en";
  $("theme").textContent = t(theme);
  $("about").textContent = t("about", { family: t(plan.family), n: plan.parameters.toLocaleString("en") });
  $("help").textContent = t(plan.task === "write" ? "help" : "helpread");
  const part = $("part").value;
  $("part").replaceChildren(...panels.heads.parts.map((name) => el("option", { value: name }, t(name))));
  $("part").value = part || panels.heads.parts.at(-1);
  panels.draw(view);
  status();
}

// ---- what the model has
const labels = plan.task === "classify" || plan.task === "tag";
$("sourced").hidden = alone;
$("paired").hidden = plan.task !== "classify";
$("targeted").hidden = plan.task !== "write";
$("writing").hidden = plan.task !== "write";
$("turned").hidden = !plan.turn;
$("turn").checked = plan.turn?.tuned ?? false;
$("turn").disabled = !alone;
$("temperature").value = plan.usual.temperature ?? 0;
$("more").value = plan.usual.max_new_tokens ?? 32;
$("parted").hidden = panels.heads.parts.length === 1;
if (labels || plan.family === "encoder") panels.side = plan.family === "decoder" ? "targets" : "sources";

// ---- what a person does
const changed = guarded(() => {
  $("stop").hidden = true;
  typed = true;
  return reread();
});
for (const id of ["source", "second", "target"]) $(id).addEventListener("input", changed);
$("turn").addEventListener("change", changed);
$("temperature").addEventListener(
  "change",
  guarded(() => reread(view.ids)),
);
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(() => (plan.task === "write" ? go(Math.max(1, Number($("more").value) || 1)) : reread()))();
});
$("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.ctrlKey) $("ask").requestSubmit();
});
$("step").addEventListener(
  "click",
  guarded(() => go(1)),
);
const stop = () => {
  job++;
  $("stop").hidden = true;
};
$("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
});
for (const side of ["sources", "targets"])
  $(side).addEventListener("keydown", (event) => {
    const to = panels.at + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0),
      other =
        /^\d$/.test(event.key) && side === "targets" && plan.task === "write"
          ? $("choice").querySelectorAll("button")[Number(event.key)]
          : null;
    if (to !== panels.at && $(side).children[to]) {
      event.preventDefault();
      $(side).children[to].focus();
    }
    if (other) other.click();
  });
$("heads").addEventListener("keydown", (event) => {
  const [down, right] = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key] ?? [
    0, 0,
  ];
  if (down || right) {
    event.preventDefault();
    panels.heads.choose(panels.heads.head[0] + down, panels.heads.head[1] + right);
  }
  if (event.key.toLowerCase() === "o") $("ablate").click();
});
$("part").addEventListener("change", () => {
  panels.heads.head = [0, 0];
  panels.heads.draw();
});
$("ablate").addEventListener(
  "click",
  guarded(async () => {
    await ablate(panels.heads.drawGrid());
    $("heads").querySelector("[aria-current=true]").focus();
  }),
);
$("restore").addEventListener(
  "click",
  guarded(() => ablate(null)),
);
$("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  kept.set("language", language);
  speak();
});
$("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % 3];
  kept.set("theme", theme);
  speak();
});
speak();
changed();
