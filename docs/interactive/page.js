// The page: the state, which is stored in the address, the controls, and the output.
"use strict";

const byId = (id) => document.getElementById(id);

// The ranges of the sliders. Those of hyperparameters come from the package. `log` sliders have a
// logarithmic scale.
const COMMON = {
  classes: { label: "classes K", min: 2, max: 1e6, log: true, integer: true },
  bias: { label: "logit bias ε", min: 0, max: 15, step: 0.1, digits: 2, auto: autoBias },
  std: { label: "spread of initial logits σ", min: 0.1, max: 3, step: 0.1, exact: true },
};
const PARAMETERS = Object.fromEntries(
  Object.entries(DATA.losses).map(([loss, { parameters }]) => [
    loss,
    Object.fromEntries(
      Object.entries(parameters).map(([name, range]) => [
        name,
        range.auto ? { ...range, auto: AUTO[name] } : range,
      ]),
    ),
  ]),
);

let state = { loss: "MAE", parameters: {}, classes: 1000, bias: 0, std: 1, with: "" };
// What the figure shows during the animation towards `state`.
let shown = state;
let rows = {};

// --- State in the address

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const names = Object.keys(DATA.losses);
  const loss = names.includes(given.get("loss")) ? given.get("loss") : "MAE";
  const number = (key, range, usual) => {
    if (range.auto && given.get(key) === "auto") return "auto";
    return given.get(key) ? allowed(Number(given.get(key)), range, usual) : usual;
  };
  const parameters = {};
  for (const [key, range] of Object.entries(PARAMETERS[loss])) {
    parameters[key] = number(key, range, DATA.losses[loss].defaults[key]);
  }
  return {
    loss,
    parameters,
    classes: number("classes", COMMON.classes, 1000),
    bias: number("bias", COMMON.bias, 0),
    std: number("std", COMMON.std, 1),
    with: names.includes(given.get("with")) ? given.get("with") : "",
  };
}

function formatAddress({ parameters, ...others }) {
  const entries = Object.entries({ ...others, ...parameters }).filter(([, value]) => value !== "");
  return "#" + new URLSearchParams(entries);
}

function allowed(value, { min, max, step, integer, exact }, usual) {
  if (!Number.isFinite(value)) return usual;
  const inside = clamp(value, min, max);
  if (integer) return Math.round(inside);
  return exact ? Number((Math.round(inside / step) * step).toFixed(6)) : inside;
}

// --- Changes

let writing;

function change(values) {
  state = { ...state, ...values };
  render();
  // Browsers limit how often the address may change; a moving slider would exceed the limit.
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", formatAddress(state)), 200);
}

function changeParameter(key, value) {
  change({ parameters: { ...state.parameters, [key]: value } });
}

function chooseLoss(loss) {
  state = { ...state, loss, parameters: { ...DATA.losses[loss].defaults } };
  buildParameters();
  change({});
}

function applyAddress() {
  clearTimeout(writing);
  state = readAddress();
  buildParameters();
  render();
}

// --- Controls

function buildRow(key, range, set) {
  const id = `input-${key}`;
  const row = document.createElement("div");
  row.className = "row";
  const name = range.label ?? key;
  row.innerHTML =
    `<label for="${id}">${name}</label>` +
    (range.auto ? `<button type="button" aria-label="auto ${name}">auto</button>` : "") +
    `<input type="number" id="${id}" inputmode="decimal" step="any" min="${range.min}" max="${range.max}">` +
    `<input type="range" aria-label="${name}" min="${place(range.min, range)}"` +
    ` max="${place(range.max, range)}" step="${range.log ? 1 : range.step}">`;
  const [number, slider] = row.querySelectorAll("input");
  const button = row.querySelector("button");
  const rounded = (value) => Number(value.toFixed(range.digits ?? 3));
  const toNumber = (value) => (value === "auto" ? rounded(range.auto(state.classes)) : value);
  const show = (value) => {
    const shownValue = toNumber(value);
    const share = (place(shownValue, range) - slider.min) / (slider.max - slider.min);
    button?.setAttribute("aria-pressed", value === "auto");
    if (document.activeElement !== number) number.value = rounded(shownValue);
    slider.value = place(shownValue, range);
    slider.setAttribute("aria-valuetext", label(shownValue, 7));
    slider.style.setProperty("--filled", `${100 * share}%`);
  };
  slider.addEventListener("input", () => set(valueAt(Number(slider.value), range)));
  number.addEventListener("input", () => {
    const value = number.valueAsNumber;
    if (value >= range.min && value <= range.max) set(allowed(value, range));
  });
  number.addEventListener("change", () => {
    set(allowed(number.valueAsNumber, range, current(key)));
    number.value = rounded(toNumber(current(key)));
  });
  button?.addEventListener("click", () => {
    set(current(key) === "auto" ? toNumber("auto") : "auto");
  });
  return { row, show };
}

const current = (key) => (key in COMMON ? state[key] : state.parameters[key]);

// Returns the position of a value on its slider. On a `log` slider, 20 steps are a factor of ten.
const place = (value, { log }) => (log ? Math.round(20 * Math.log10(value)) : value);

function valueAt(position, range) {
  const value = range.log ? Number((10 ** (position / 20)).toPrecision(2)) : position;
  return allowed(value, range);
}

function buildParameters() {
  const built = Object.entries(PARAMETERS[state.loss]).map(([key, range]) => [
    key,
    buildRow(key, range, (value) => changeParameter(key, value)),
  ]);
  byId("parameters").replaceChildren(...built.map(([, { row }]) => row));
  rows = { ...Object.fromEntries(built), ...commonRows };
}

const commonRows = Object.fromEntries(
  Object.entries(COMMON).map(([key, range]) => [
    key,
    buildRow(key, range, (value) => change({ [key]: value })),
  ])
);

// --- Text

const VERDICT_TEXT = { learns: "will learn", "learns slowly": "will learn slowly", stalls: "will stall" };
const VERDICT_SIGN = { learns: "✓", "learns slowly": "≈", stalls: "✕" };

function asFraction(ratio) {
  return ratio < 2 / 3 ? `1/${label(1 / ratio, 2)} of` : `${ratio.toPrecision(2)} times`;
}

function formatName({ loss, parameters }) {
  const values = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  return values.length ? `${loss}(${values.join(", ")})` : loss;
}

function formatPython({ loss, parameters, bias }) {
  const literal = (value) => (value === "auto" ? `"auto"` : String(value));
  const values = Object.entries(bias === 0 ? parameters : { ...parameters, logit_bias: bias });
  const all = [...values.map(([key, value]) => `${key}=${literal(value)}`), "from_logits=True"];
  return `loss = keras_noisy.${loss}(${all.join(", ")})`;
}

function getComparedLoss() {
  const loss = state.with;
  return loss && { ...state, loss, parameters: DATA.losses[loss].defaults };
}

// --- Rendering

function render() {
  const { referenceClasses } = DATA.verdict;
  const { loss, classes } = state;
  byId("loss").value = loss;
  byId("with").value = state.with;
  byId("summary").textContent = DATA.losses[loss].summary.replaceAll("`", "");
  byId("formula").textContent = DATA.losses[loss].formula.replaceAll("-", "−");
  for (const [key, { show }] of Object.entries(rows)) show(current(key));

  const verdict = verdictOf(state);
  byId("verdict").className = verdict.word.replace(" ", "-");
  byId("verdict").innerHTML =
    `<b aria-hidden="true">${VERDICT_SIGN[verdict.word]}</b> ${loss} ${VERDICT_TEXT[verdict.word]} ` +
    `<span>with ${label(classes, 7)} classes and SGD</span>`;
  byId("pull").innerHTML =
    `mean pull ${label(-verdict.error)}, <b>${asFraction(verdict.ratio)}</b> that with ${referenceClasses} classes`;
  drawGauge(verdict.ratio);
  drawFacts(verdict);
  byId("python").textContent = formatPython(state);
  animate();
}

function drawFacts({ reference, adamRatio, adamWord }) {
  const { classes } = state;
  const { referenceClasses } = DATA.verdict;
  const facts = [
    ["with Adam", `${VERDICT_TEXT[adamWord]}: ${asFraction(adamRatio)} the update with ${referenceClasses} classes`],
    [`auto bias, ${label(classes, 7)} classes`, autoBias(classes).toFixed(2)],
    [`GCE’s q = auto`, label(autoQ(classes))],
    [`mean pull, ${referenceClasses} classes, no bias`, label(-reference)],
  ];
  const other = getComparedLoss();
  if (other) {
    const { word, ratio } = verdictOf(other);
    const value = `${VERDICT_TEXT[word]}: ${asFraction(ratio)} its pull with ${referenceClasses} classes`;
    facts.push([formatName(other), value]);
  }
  byId("facts").innerHTML = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join("");
}

// Draws the ratio on a logarithmic scale from 1/1000 to 3.
function drawGauge(ratio) {
  const at = (value) => 100 * clamp(Math.log(value / 1e-3) / Math.log(3 / 1e-3), 0, 1);
  const { stalls, learns } = DATA.verdict;
  const zone = (name, from, to) =>
    `<div class="zone ${name}" style="left:${at(from)}%;width:${at(to) - at(from)}%">${name}</div>`;
  const tick = (value, text) => `<i style="left:${at(value)}%">${text}</i>`;
  byId("gauge").innerHTML =
    zone("stalls", 1e-3, stalls) + zone("slowly", stalls, learns) + zone("learns", learns, 3) +
    tick(stalls, `1/${Math.round(1 / stalls)}`) + tick(learns, `1/${Math.round(1 / learns)}`) + tick(1, "1") +
    `<div class="needle" style="left:${at(ratio)}%"></div>`;
}

function curves(setting) {
  const { referenceClasses } = DATA.verdict;
  const name = formatName(state);
  const all = [{ ...setting, name, look: "chosen" }];
  if (state.classes !== referenceClasses) {
    all.push({
      ...setting,
      classes: referenceClasses,
      name: `the same with ${referenceClasses} classes`,
      look: "reference",
    });
  }
  const other = getComparedLoss();
  if (other) {
    const { loss, parameters } = other;
    all.push({ ...setting, loss, parameters, name: formatName(other), look: "compared" });
  }
  return all;
}

// Stored, because measuring it after each change would be slow.
let size = byId("figure").getBoundingClientRect();

function draw(setting) {
  shown = setting;
  const all = curves(setting);
  drawFigure(byId("figure"), all, size.width, size.height);
  byId("legend").innerHTML = all
    .map(({ name, look }) => `<li><svg viewBox="0 0 34 10" aria-hidden="true"><path class="curve ${look}" d="M1 5H33"/></svg>${name}</li>`)
    .join("");
}

// Animates the figure on its way to the state; small changes, as by sliders, are shown at once.
let frame;

function animate() {
  cancelAnimationFrame(frame);
  const from = { ...shown, bias: biasOf(shown) };
  const to = { ...state, bias: biasOf(state) };
  const isSmall = Math.abs(to.bias - from.bias) < 0.5 && Math.abs(Math.log(to.classes / from.classes)) < 0.3;
  if (isSmall || matchMedia("(prefers-reduced-motion: reduce)").matches) return draw(to);
  const start = performance.now();
  const next = (now) => {
    const t = clamp((now - start) / 450, 0, 1);
    const eased = 1 - (1 - t) ** 3;
    if (t === 1) return draw(to);
    draw({
      ...to,
      bias: from.bias + eased * (to.bias - from.bias),
      classes: from.classes * (to.classes / from.classes) ** eased,
    });
    frame = requestAnimationFrame(next);
  };
  frame = requestAnimationFrame(next);
}

// --- Start

const names = Object.keys(DATA.losses);
byId("loss").innerHTML = names.map((name) => `<option>${name}</option>`).join("");
byId("with").innerHTML = `<option value="">nothing</option>` + names.map((name) => `<option>${name}</option>`).join("");
byId("loss").addEventListener("change", ({ target }) => chooseLoss(target.value));
byId("with").addEventListener("change", ({ target }) => change({ with: target.value }));
byId("common").replaceChildren(...Object.values(commonRows).map(({ row }) => row));
byId("copy").addEventListener("click", async () => {
  const button = byId("copy");
  try {
    await navigator.clipboard.writeText(byId("python").textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("python")); // so that the user can copy it
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 1500);
});
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", applyAddress);
new ResizeObserver(([{ contentRect }]) => {
  size = contentRect;
  draw(shown);
}).observe(byId("figure"));
state = readAddress();
shown = state;
buildParameters();
render();
