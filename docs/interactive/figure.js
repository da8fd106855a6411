// The figure: average errors of losses, and the logits of an untrained network without and with bias.
"use strict";

const POINTS = 161;
const MARGIN = { left: 46, right: 14, top: 26, gap: 34, bottom: 46 };

// Draws into `svg`. `curves` are settings with a name and a look; the first is the chosen loss.
function drawFigure(svg, curves, width, height) {
  const [chosen] = curves;
  const { std } = chosen;
  const bias = biasOf(chosen);
  const [low, high] = logitRange(std, chosen.classes, bias);
  const logits = Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
  const drawn = curves.map((curve) => ({ ...curve, errors: averageErrors(curve, logits) }));

  const strongest = -Math.min(...drawn.flatMap(({ errors }) => errors));
  const step = niceStep(strongest * 1.05, 5);
  const depth = (Math.ceil((5 * strongest * 1.05) / step) * step) / 5;

  const inner = height - MARGIN.top - MARGIN.gap - MARGIN.bottom;
  const upper = { top: MARGIN.top, bottom: MARGIN.top + Math.round(inner * 0.72) };
  const lower = { top: upper.bottom + MARGIN.gap, bottom: height - MARGIN.bottom };
  const right = width - MARGIN.right;
  const x = (z) => MARGIN.left + ((z - low) / (high - low)) * (right - MARGIN.left);
  const y = (error) => upper.top + (-error / depth) * (upper.bottom - upper.top);
  const peak = 1 / (std * Math.sqrt(2 * Math.PI));
  const hill = (density) => lower.bottom - (density / peak) * (lower.bottom - lower.top - 20);

  const path = (points) => "M" + points.map(([a, b]) => `${a.toFixed(1)} ${b.toFixed(1)}`).join("L");
  const line = (x1, y1, x2, y2, kind) =>
    `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
  const text = (at, height, words, kind) =>
    `<text class="${kind}" x="${at}" y="${height}">${words}</text>`;

  // The band contains 95 % of the logits; the hill below is their density.
  const logitsAt = (centre, kind) => {
    const [from, to] = [centre - 2 * std, centre + 2 * std].map((z) => clamp(x(z), MARGIN.left, right));
    const bands = [upper, lower].map(
      ({ top, bottom }) =>
        `<rect class="band ${kind}" x="${from}" y="${top}" width="${to - from}" height="${bottom - top}"/>`
    );
    const outline = Array.from({ length: 81 }, (_, i) => (i - 40) / 10)
      .map((t) => [x(centre + std * t), hill(peak * Math.exp((-t * t) / 2))])
      .filter(([at]) => at >= MARGIN.left && at <= right);
    return bands.join("") + `<path class="hill ${kind}" d="${path(outline)}"/>`;
  };
  // Approximately half the width of a text.
  const half = (words) => words.length * 3.4;
  const inside = (at, words) => clamp(at, MARGIN.left + half(words) + 4, right - half(words));

  const parts = [];
  for (let error = 0; error <= depth; error += step) {
    parts.push(line(MARGIN.left, y(-error), right, y(-error), error === 0 ? "zero" : "grid"));
    parts.push(text(MARGIN.left - 7, y(-error) + 4, label(-error), "end"));
  }
  const logitStep = niceStep(high - low, width < 500 ? 6 : 10);
  for (let z = Math.ceil(low / logitStep) * logitStep; z <= high; z += logitStep) {
    for (const { bottom } of [upper, lower]) parts.push(line(x(z), bottom, x(z), bottom + 4, "axis"));
    parts.push(text(x(z), lower.bottom + 18, label(z), "middle"));
  }
  parts.push(logitsAt(0, "initial"));
  if (bias > 0) parts.push(logitsAt(bias, "biased"));
  for (const { top, bottom } of [upper, lower]) {
    parts.push(line(MARGIN.left, top, MARGIN.left, bottom, "axis"));
    parts.push(line(MARGIN.left, bottom, right, bottom, "axis"));
  }
  for (const { errors, look } of [...drawn].reverse()) {
    const points = errors.map((error, i) => [x(logits[i]), y(error)]);
    parts.push(`<path class="curve ${look}" d="${path(points)}"/>`);
  }

  // The mean of the average error over the logits, which gives the verdict.
  const mean = meanError(chosen);
  parts.push(`<circle class="mean" cx="${x(bias)}" cy="${y(mean)}" r="5.5"/>`);
  const below = -mean < depth / 2 ? 22 : -12;
  const words = `mean ${label(mean)}`;
  parts.push(text(inside(x(bias), words), y(mean) + below, words, "middle halo"));

  parts.push(text(MARGIN.left, 14, "average error ⟨∂L/∂z⟩", "title"));
  const axis = `label’s logit z${bias > 0 ? ", bias included" : ""}`;
  parts.push(text((MARGIN.left + right) / 2, height - 8, axis, "middle title"));
  parts.push(text(MARGIN.left, lower.top - 8, "density", "title"));
  parts.push(text(MARGIN.left - 7, lower.bottom + 4, "0", "end"));
  parts.push(text(MARGIN.left - 7, hill(peak) + 4, label(peak, 2), "end"));
  const [initial, biased] = ["untrained network", `+ bias ${bias.toFixed(2)}`];
  if (bias === 0) {
    parts.push(text(inside(x(0), initial), lower.top + 11, initial, "middle"));
  } else if (x(bias) - half(biased) - inside(x(0), initial) - half(initial) > 10) {
    parts.push(text(inside(x(0), initial), lower.top + 11, initial, "middle"));
    parts.push(text(inside(x(bias), biased), lower.top + 11, biased, "middle"));
  } else {
    const both = `${initial}, ${biased}`;
    parts.push(text(inside(x(bias / 2), both), lower.top + 11, both, "middle"));
  }

  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", description(drawn, logits, bias));
  svg.innerHTML = parts.join("");
}

// Describes the figure for screen readers.
function description(drawn, logits, bias) {
  const { std } = drawn[0];
  const sentences = drawn.map(({ name, errors }) => {
    const deepest = Math.min(...errors);
    const at = logits[errors.indexOf(deepest)];
    return `The average error of ${name} is lowest, ${label(deepest, 2)}, at logit ${label(at, 2)}.`;
  });
  const moved = bias > 0 ? `, and with the bias around ${label(bias, 3)}` : "";
  return `${sentences.join(" ")} Logits of an untrained network lie around 0${moved}, with standard deviation ${std}.`;
}

// Returns limits that rarely change, so that only curves and logits move.
function logitRange(std, classes, bias) {
  const low = -4 * Math.max(1, std);
  const valley = Math.log(classes) + (std * std) / 2 + 5;
  return [low, Math.max(14, 2 * Math.ceil(Math.max(valley, bias + 3.5 * std) / 2))];
}

// Returns 1, 2 or 5 times a power of ten, so that at most `count` steps fill the range.
function niceStep(range, count) {
  const power = 10 ** Math.floor(Math.log10(range / count));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => range / step <= count);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const WITH_COMMAS = new Intl.NumberFormat("en", { maximumFractionDigits: 12 });

// Formats a number with a few digits, a minus sign and commas between thousands.
function label(value, digits = 3) {
  const short = Math.abs(value) < 1e-12 ? 0 : Number(value.toPrecision(digits));
  const plain = Math.abs(short) >= 1e-6 || short === 0;
  const text = plain
    ? WITH_COMMAS.format(Math.abs(short))
    : Math.abs(short).toExponential().replace("e-", " × 10⁻").replace(/\d+$/, superscript);
  return (short < 0 ? "−" : "") + text;
}

const superscript = (digits) => digits.replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
