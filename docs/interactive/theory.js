// Computes average errors of losses for untrained networks. Quadratures, biases, thresholds and defaults
// come from the package, in data.js.
"use strict";

// The pull -dL/du of each loss, with the label's log-probability u = log p. `rest` is 1 - p, and `margin`
// is u - log(rest). The parameters include the number of classes.
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
  MAERescale: ({ margin, rest }, { scale }) =>
    Math.exp(-softplus(scale * margin) - softplus(-scale * margin)) / rest,
  ForwardCE: ({ p }, { transition, classes }) => {
    const rate = Math.min(transition, (0.99 * (classes - 1)) / classes); // the loss allows no more
    const wrong = rate / (classes - 1);
    const kept = (1 - rate - wrong) * p;
    return kept / (kept + wrong);
  },
  JS: ({ p, u }, { weight }) =>
    p * (1 - (Math.log(weight + (1 - weight) * p) - u) / Math.log1p(-weight)),
};

// Returns the average error dL/dz at each of the label's `logits`, without a bias, which would shift the
// logits. Between the numbers of classes in data.js, it interpolates curves that are shifted by the
// change of the log of the number of other classes.
function averageErrors({ loss, parameters, classes, std }, logits) {
  const rules = DATA.quadratures[std.toFixed(1)];
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

// Returns -dL/dz = -dL/du (1 - p). The margin is the label's logit minus the log-sum-exp of the others.
function pullOnLogit(pull, margin, parameters) {
  const u = -softplus(-margin);
  const rest = Math.exp(-softplus(margin));
  return pull({ p: Math.exp(u), u, rest, margin }, parameters) * rest;
}

// Averages the average error over the label's logits of an untrained network, shifted by the bias.
function meanError(setting) {
  const bias = biasOf(setting);
  const spread = Array.from({ length: 161 }, (_, i) => (i - 80) / 10); // in standard deviations
  const errors = averageErrors(setting, spread.map((x) => bias + setting.std * x));
  const densities = spread.map((x) => Math.exp((-x * x) / 2));
  const sum = (values) => values.reduce((a, b) => a + b);
  return sum(errors.map((error, i) => error * densities[i])) / sum(densities);
}

// Compares the mean pull with that for few classes and no bias, as keras_noisy.diagnose does for
// SGD, and the update that Adam makes of it.
function verdictOf(setting) {
  const { referenceClasses, learns, stalls } = DATA.verdict;
  const error = meanError(setting);
  const reference = meanError({ ...setting, classes: referenceClasses, bias: 0 });
  const word = (ratio) => (ratio >= learns ? "learns" : ratio >= stalls ? "learns slowly" : "stalls");
  const ratio = error / reference;
  const adamRatio = adamUpdate(error, setting.classes) / adamUpdate(reference, setting.classes);
  return { error, reference, ratio, word: word(ratio), adamRatio, adamWord: word(adamRatio) };
}

// The size of Adam's first update, in units of the learning rate; see keras_noisy.theory.update_size.
function adamUpdate(error, classes) {
  const { batchSize, epsilon } = DATA.adam;
  const gradient = Math.max(-error, 0) / Math.sqrt(classes * batchSize);
  return gradient / (gradient + epsilon);
}

const autoBias = (classes) => lookUp(DATA.autoBias, classes);
const autoQ = (classes) => lookUp(DATA.autoQ, classes);
const autoScale = (classes) => lookUp(DATA.autoScale, classes);
// The values of parameters that are "auto".
const AUTO = { q: autoQ, scale: autoScale };
const biasOf = ({ bias, classes }) => (bias === "auto" ? autoBias(classes) : bias);

// Replaces "auto" by its value for the number of classes, and adds that number.
function withNumbers(parameters, classes) {
  const numbers = { ...parameters, classes };
  for (const [name, value] of Object.entries(parameters)) {
    if (value === "auto") numbers[name] = AUTO[name](classes);
  }
  return numbers;
}

function lookUp({ classes, values }, number) {
  const near = neighbours(classes, Math.max(number, classes[0]));
  return near.reduce((sum, [at, w]) => sum + w * values[at], 0);
}

// Returns four entries of a table and their weights, for cubic interpolation over log(classes - 1).
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
