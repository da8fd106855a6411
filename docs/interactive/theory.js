// What a loss does to the label's logit of a fresh network. Laws, biases, thresholds and defaults are the
// package's, in data.js; here is what has to be computed while a slider moves.
"use strict";

// -dL/du of each loss for u = log p, the label's log-probability: how hard it pulls. `rest` is 1 - p.
const PULLS = {
  CE: () => 1,
  MAE: ({ p }) => 2 * p,
  GCE: ({ u }, { q }) => Math.exp(q * u),
  SCE: ({ p }, { alpha, beta, A }) => alpha + beta * A * p,
  RCE: ({ p }, { A }) => A * p,
  TaylorCE: ({ rest }, { order }) => 1 - rest ** order,
  PHuberCE: ({ p }, { tau }) => Math.min(1, tau * p),
  FocalCE: ({ p, u, rest }, { gamma }) => rest ** gamma - gamma * rest ** (gamma - 1) * p * u,
  AGCE: ({ p }, { a, q }) => (a + p) ** (q - 1) * p,
  AUL: ({ p }, { a, q }) => (a - p) ** (q - 1) * p,
  AEL: ({ p }, { a }) => (p / a) * Math.exp(-p / a),
  JS: ({ p, u }, { weight }) =>
    p * (1 - (Math.log(weight + (1 - weight) * p) - u) / Math.log1p(-weight)),
};

// Average error dL/dz at each of the label's `logits`, without a bias: that moves the logits. Between the
// numbers of classes that data.js has, curves are interpolated, each moved by what other classes add.
function averageErrors({ loss, parameters, classes, std }, logits) {
  const rules = DATA.laws[std.toFixed(1)];
  const numbers = withNumbers(parameters, classes);
  const errors = new Array(logits.length).fill(0);
  for (const [at, share] of neighbours(DATA.classes, classes)) {
    const shift = Math.log((DATA.classes[at] - 1) / (classes - 1));
    const [nodes, weights] = rules[at];
    for (let i = 0; i < logits.length; i++) {
      for (let j = 0; j < nodes.length; j++) {
        const margin = logits[i] + shift - nodes[j];
        errors[i] -= share * weights[j] * pullOnLogit(PULLS[loss], margin, numbers);
      }
    }
  }
  return errors;
}

// dL/dz = dL/du (1 - p) at the label's margin, its logit less the log of the others' sum.
function pullOnLogit(pull, margin, parameters) {
  const u = -softplus(-margin);
  const rest = Math.exp(-softplus(margin));
  return pull({ p: Math.exp(u), u, rest }, parameters) * rest;
}

// The average error over the label's logits of a fresh network, after the bias has moved them.
function meanError(setting) {
  const bias = biasOf(setting);
  const spread = Array.from({ length: 161 }, (_, i) => (i - 80) / 10); // in standard deviations
  const errors = averageErrors(setting, spread.map((x) => bias + setting.std * x));
  const densities = spread.map((x) => Math.exp((-x * x) / 2));
  const sum = (values) => values.reduce((a, b) => a + b);
  return sum(errors.map((error, i) => error * densities[i])) / sum(densities);
}

// Will it learn? The mean pull compared with that of few classes and no bias, as keras_noisy.diagnose does.
function verdictOf(setting) {
  const { referenceClasses, learns, stalls } = DATA.verdict;
  const error = meanError(setting);
  const reference = meanError({ ...setting, classes: referenceClasses, bias: 0 });
  const ratio = error / reference;
  const word = ratio >= learns ? "learns" : ratio >= stalls ? "learns slowly" : "stalls";
  return { error, reference, ratio, word };
}

const autoBias = (classes) => lookUp(DATA.autoBias, classes);
const autoQ = (classes) => lookUp(DATA.autoQ, classes);
const biasOf = ({ bias, classes }) => (bias === "auto" ? autoBias(classes) : bias);

// A hyperparameter that waits for the number of classes gets its number.
function withNumbers(parameters, classes) {
  return parameters.q === "auto" ? { ...parameters, q: autoQ(classes) } : parameters;
}

function lookUp({ classes, values }, number) {
  const near = neighbours(classes, Math.max(number, classes[0]));
  return near.reduce((sum, [at, w]) => sum + w * values[at], 0);
}

// Four entries of a table and their weights: cubic interpolation over the log of the others' number.
function neighbours(classes, number) {
  const first = classes.findIndex((count) => count >= number) - 2;
  const start = Math.min(Math.max(first, 0), classes.length - 4);
  const indices = [0, 1, 2, 3].map((i) => start + i);
  const x = (count) => Math.log(count - 1);
  const weight = (i) =>
    indices
      .filter((j) => j !== i)
      .reduce((w, j) => (w * (x(number) - x(classes[j]))) / (x(classes[i]) - x(classes[j])), 1);
  return indices.map((i) => [i, weight(i)]).filter(([, share]) => share !== 0);
}

// log(1 + e^x)
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
