"""Float64 values and gradients of the losses, by plain loops and hand-derived formulas."""

import math
from typing import NamedTuple

import numpy as np


def reference(name, arguments, label, logits, epsilon=0.0):
    """Returns the loss of one sample and its gradient: a list with one entry for each logit.

    `epsilon` is added to the label's logit first. Missing arguments have the defaults of the loss.
    """
    loss = LOSSES[name]
    y = int(label)
    z = [float(logit) for logit in logits]
    z[y] += float(epsilon)
    return loss(z, y, **arguments)


def batch_reference(name, arguments, labels, logits, epsilon=0.0):
    """Returns values (B,) and gradients (B, K) for the rows of `logits`."""
    logits = np.asarray(logits, "float64")
    values = np.zeros(logits.shape[0])
    gradients = np.zeros(logits.shape)
    for row, label in enumerate(np.asarray(labels)):
        values[row], gradients[row] = reference(name, arguments, label, logits[row], epsilon)
    return values, gradients


# Probabilities


class Probabilities(NamedTuple):
    """Lists of p, log p and 1 - p, with one entry for each class."""

    p: list
    log: list
    rest: list


def softmax(z):
    """Computes the softmax relative to the largest logit, whose exponential is exactly 1."""
    top = z.index(max(z))
    differences = [logit - z[top] for logit in z]
    exponentials = [math.exp(difference) for difference in differences]
    tail = sums_without(exponentials)[top]
    p = [exponential / (1.0 + tail) for exponential in exponentials]
    log = [difference - math.log1p(tail) for difference in differences]
    return Probabilities(p, log, sums_without(p))


def tempered_softmax(z, t2):
    """Computes P_j = exp_t2(z_j - lambda), with lambda such that the P_j sum to 1.

    With t = t2 - 1, lambda = max(z) + mu and d_j = max(z) - z_j:
    log P_j = -log1p(t (mu + d_j)) / t. Here mu is the zero of

        f(mu) = (sum of the other P_j) - (1 - P_top),

    which is decreasing and convex with f(0) >= 0. Newton's steps from 0 therefore never pass the
    zero, and end when rounding stops mu from growing. df/dmu = -sum P_j^t2.
    """
    if t2 == 1:
        return softmax(z)
    t = t2 - 1
    top = z.index(max(z))
    distances = [z[top] - logit for logit in z]
    mu = 0.0
    while True:
        excess = math.expm1(-math.log1p(t * mu) / t)
        slope = 0.0
        for j, distance in enumerate(distances):
            log = -math.log1p(t * (mu + distance)) / t
            slope += math.exp(t2 * log)
            if j != top:
                excess += math.exp(log)
        following = mu + excess / slope
        if not following > mu:
            break
        mu = following
    log = [-math.log1p(t * (mu + distance)) / t for distance in distances]
    p = [math.exp(value) for value in log]
    return Probabilities(p, log, sums_without(p))


def sums_without(values):
    """Returns, for each position, the sum of all other values; subtracts nothing."""
    sums = [0.0] * len(values)
    before = 0.0
    for position, value in enumerate(values):
        sums[position] += before
        before += value
    after = 0.0
    for position in reversed(range(len(values))):
        sums[position] += after
        after += values[position]
    return sums


# Gradients


def label_gradient(slope, probabilities, y):
    """Returns the gradient of a function of log p_y whose derivative is `slope`.

    d log p_y / dz_j = [j = y] - p_j.
    """
    gradient = [-slope * p for p in probabilities.p]
    gradient[y] = slope * probabilities.rest[y]
    return gradient


def label_share(terms, slopes, probabilities, y):
    """Returns a_y / sum_j a_j and its gradient; a_j is a function of log p_j with slope s_j.

    With T = sum of a_j over j != y and S = a_y + T, the gradient is (T da_y - a_y dT) / S^2, where

        da_y / dz_k = s_y ([k = y] - p_k)
        dT / dz_k   = [k != y] s_k - p_k sum_{j != y} s_j
                    = [k != y] s_k (1 - p_k) - p_k sum_{j != y, k} s_j
    """
    others = sums_without(terms)[y]
    total = terms[y] + others
    other_slopes = list(slopes)
    other_slopes[y] = 0.0
    remaining_slopes = sums_without(other_slopes)
    label_term_gradient = label_gradient(slopes[y], probabilities, y)
    gradient = []
    for k, p in enumerate(probabilities.p):
        other_gradient = other_slopes[k] * probabilities.rest[k] - p * remaining_slopes[k]
        gradient.append((others * label_term_gradient[k] - terms[y] * other_gradient) / total**2)
    return terms[y] / total, gradient


# Functions of p_y. Their gradients follow from dL / d log p_y = p_y dL / dp_y.


def ce(z, y):
    """-log p_y."""
    probabilities = softmax(z)
    return -probabilities.log[y], label_gradient(-1.0, probabilities, y)


def mae(z, y):
    """2 (1 - p_y); p dL/dp = -2 p."""
    probabilities = softmax(z)
    value = 2 * probabilities.rest[y]
    return value, label_gradient(-2 * probabilities.p[y], probabilities, y)


def gce(z, y, q=0.7):
    """(1 - p_y^q) / q; p dL/dp = -p^q."""
    probabilities = softmax(z)
    log = probabilities.log[y]
    return -math.expm1(q * log) / q, label_gradient(-math.exp(q * log), probabilities, y)


def rce(z, y, A=4.0):
    """A (1 - p_y); p dL/dp = -A p."""
    probabilities = softmax(z)
    value = A * probabilities.rest[y]
    return value, label_gradient(-A * probabilities.p[y], probabilities, y)


def sce(z, y, alpha=0.1, beta=1.0, A=4.0):
    """alpha CE + beta RCE; p dL/dp = -alpha - beta A p."""
    probabilities = softmax(z)
    value = -alpha * probabilities.log[y] + beta * A * probabilities.rest[y]
    return value, label_gradient(-alpha - beta * A * probabilities.p[y], probabilities, y)


def taylor_ce(z, y, order=2):
    """sum_{i = 1..order} (1 - p_y)^i / i; p dL/dp = -p sum_i (1 - p)^(i - 1)."""
    probabilities = softmax(z)
    p, rest = probabilities.p[y], probabilities.rest[y]
    value, slope = 0.0, 0.0
    for i in range(1, order + 1):
        value += rest**i / i
        slope -= p * rest ** (i - 1)
    return value, label_gradient(slope, probabilities, y)


def phuber_ce(z, y, tau=10.0):
    """-log p_y where p_y > 1 / tau, else 1 + log tau - tau p_y; p dL/dp = -1, else -tau p."""
    probabilities = softmax(z)
    p = probabilities.p[y]
    if p > 1 / tau:
        return ce(z, y)
    # 1 - tau p, written so that it is exactly 1 - p at tau = 1.
    value = math.log(tau) + (probabilities.rest[y] - (tau - 1) * p)
    return value, label_gradient(-tau * p, probabilities, y)


def focal_ce(z, y, gamma=0.5):
    """-(1 - p_y)^gamma log p_y."""
    probabilities = softmax(z)
    value, slope = focal_term(probabilities, y, gamma)
    return value, label_gradient(slope, probabilities, y)


def focal_term(probabilities, j, gamma):
    """Returns -(1 - p_j)^gamma log p_j and its derivative with respect to log p_j.

    The derivative is (1 - p)^gamma (gamma p log(p) / (1 - p) - 1); log(p) / (1 - p) is -1 at p = 1.
    """
    p, log, rest = probabilities.p[j], probabilities.log[j], probabilities.rest[j]
    ratio = log / rest if rest > 0 else -1.0
    factor = rest**gamma
    return -factor * log, factor * (gamma * p * ratio - 1)


def agce(z, y, a=0.6, q=0.6):
    """((a + 1)^q - (a + p_y)^q) / q; p dL/dp = -p (a + p)^(q - 1).

    The value is (a + 1)^q (1 - b^q) / q with b = (a + p) / (a + 1) = 1 - (1 - p) / (a + 1).
    """
    probabilities = softmax(z)
    p, log, rest = probabilities.p[y], probabilities.log[y], probabilities.rest[y]
    log_sum = math.log(a + p) if a > 0 else log
    log_b = math.log1p(-rest / (a + 1)) if rest < 0.5 * (a + 1) else log_sum - math.log1p(a)
    value = -((a + 1) ** q) * math.expm1(q * log_b) / q
    return value, label_gradient(-math.exp(log + (q - 1) * log_sum), probabilities, y)


def aul(z, y, a=5.5, q=3.0):
    """((a - p_y)^q - (a - 1)^q) / q, for a > 1; p dL/dp = -p (a - p)^(q - 1).

    a - p = (a - 1) + (1 - p), so the value is (a - 1)^q ((1 + (1 - p) / (a - 1))^q - 1) / q.
    """
    probabilities = softmax(z)
    p, rest = probabilities.p[y], probabilities.rest[y]
    value = (a - 1) ** q * math.expm1(q * math.log1p(rest / (a - 1))) / q
    return value, label_gradient(-p * (a - 1 + rest) ** (q - 1), probabilities, y)


def ael(z, y, a=2.5):
    """exp(-p_y / a); p dL/dp = -(p / a) exp(-p / a)."""
    probabilities = softmax(z)
    p = probabilities.p[y]
    value = math.exp(-p / a)
    return value, label_gradient(-p / a * value, probabilities, y)


def js(z, y, weight=0.5):
    """(H(m) - (1 - weight) H(p)) / Z, m = weight onehot(y) + (1 - weight) p.

    For j != y, m_j = (1 - weight) p_j: these terms add up to Z (1 - p_y), and p_y alone remains:

        L = (1 - p) - ((1 - weight) p log(m / p) + weight log m) / Z
        dL/dp = -1 - (1 - weight) log(m / p) / Z

    with m = m_y = weight + (1 - weight) p, so that m / p = 1 + weight (1 - p) / p.
    """
    probabilities = softmax(z)
    p, log, rest = probabilities.p[y], probabilities.log[y], probabilities.rest[y]
    normalizer = -(1 - weight) * math.log1p(-weight)
    if (1 - weight) * rest < 0.5:
        log_m = math.log1p(-(1 - weight) * rest)
    else:
        log_m = math.log(weight + (1 - weight) * p)
    log_ratio = math.log1p(weight * rest / p) if p > weight * rest else log_m - log
    value = rest - ((1 - weight) * p * log_ratio + weight * log_m) / normalizer
    slope = -p * (1 + (1 - weight) * log_ratio / normalizer)
    return value, label_gradient(slope, probabilities, y)


def mae_rescale(z, y, scale="auto"):
    """sigmoid(-scale m) / scale of the margin m = z_y - log sum_{j != y} exp(z_j).

    With q = sigmoid(scale m), dL/dm = -q (1 - q). dm/dz_y = 1, and dm/dz_j is minus the share of
    exp(z_j) in the sum.
    """
    if scale == "auto":
        n = len(z) - 1
        scale = min(1.0, 2.6 / (math.log(n) + 0.5 - (math.e - 1) / (2 * n))) if n > 9 else 1.0
    others = [logit for j, logit in enumerate(z) if j != y]
    top = max(others)
    total = sum(math.exp(logit - top) for logit in others)
    x = scale * (z[y] - top - math.log(total))
    small = math.exp(-abs(x)) / (1 + math.exp(-abs(x)))
    value = small if x > 0 else 1 - small
    slope = -small * (1 - small)
    gradient = [-slope * math.exp(logit - top) / total for logit in z[:y]]
    gradient.append(slope)
    gradient += [-slope * math.exp(logit - top) / total for logit in z[y + 1 :]]
    return value / scale, gradient


def forward_ce(z, y, transition=0.2):
    """-log q, q = sum_i p_i T[i, y]; dL/dz_k = -p_k (T[k, y] - q) / q.

    The difference is sum_i p_i (T[k, y] - T[i, y]), which does not cancel. If q is 0 in float64,
    the gradient is p_k - w_k, with the share w_k of class k in q, from logarithms.
    """
    probabilities = softmax(z)
    size = len(z)
    if isinstance(transition, float):
        column = [transition / (size - 1)] * size
        column[y] = 1 - transition
    else:
        column = [row[y] for row in transition]
    logs = [
        log + math.log(entry) if entry > 0 else -math.inf
        for log, entry in zip(probabilities.log, column, strict=True)
    ]
    top = max(logs)
    log_q = top + math.log(sum(math.exp(log - top) for log in logs))
    gradient = []
    for k, p in enumerate(probabilities.p):
        if log_q > -600:
            pairs = zip(probabilities.p, column, strict=True)
            difference = sum(q * (column[k] - entry) for q, entry in pairs)
            gradient.append(-p / math.exp(log_q) * difference)
        else:
            gradient.append(p - math.exp(logs[k] - log_q))
    return -log_q, gradient


# Normalised losses divide the label's term by the sum of the terms of all classes.


def nce(z, y):
    """log p_y / sum_j log p_j; the terms -log p_j have slope -1."""
    probabilities = softmax(z)
    terms = [-log for log in probabilities.log]
    return label_share(terms, [-1.0] * len(z), probabilities, y)


def nfl(z, y, gamma=0.5):
    """FL(y) / sum_j FL(j), FL(j) = -(1 - p_j)^gamma log p_j."""
    probabilities = softmax(z)
    terms, slopes = [], []
    for j in range(len(z)):
        term, slope = focal_term(probabilities, j, gamma)
        terms.append(term)
        slopes.append(slope)
    return label_share(terms, slopes, probabilities, y)


def ngce(z, y, q=0.7):
    """(1 - p_y^q) / (K - sum_j p_j^q); the terms 1 - p_j^q have slope -q p_j^q.

    At q = 1 the sum is K - 1 for all logits, so its derivatives, which cancel, are omitted.
    """
    if q == 1:
        return rce(z, y, A=1 / (len(z) - 1))
    probabilities = softmax(z)
    terms = [-math.expm1(q * log) for log in probabilities.log]
    slopes = [-q * math.exp(q * log) for log in probabilities.log]
    return label_share(terms, slopes, probabilities, y)


def nnce(z, y, min_prob=1e-7):
    """1 - a_y / sum_j a_j, a_j = A + max(log p_j, -A), A = -log(min_prob).

    The terms a_j have slope 1, or 0 where they are clipped. With every class clipped, which takes
    min_prob >= 1 / K, the loss is 0 / 0: ZeroDivisionError.
    """
    probabilities = softmax(z)
    bound = -math.log(min_prob)
    terms = [max(bound + log, 0.0) for log in probabilities.log]
    slopes = [1.0 if log > -bound else 0.0 for log in probabilities.log]
    _, gradient = label_share(terms, slopes, probabilities, y)
    value = sums_without(terms)[y] / sum(terms)
    return value, [-entry for entry in gradient]


def nnfl(z, y, gamma=0.5, min_prob=1e-7):
    """1 - a_y / sum_j a_j, a_j = A - FL(max(p_j, min_prob)), A = FL(min_prob)."""
    probabilities = softmax(z)
    bound = -((1 - min_prob) ** gamma) * math.log(min_prob)
    terms, slopes = [], []
    for j in range(len(z)):
        if probabilities.p[j] > min_prob:
            term, slope = focal_term(probabilities, j, gamma)
            terms.append(bound - term)
            slopes.append(-slope)
        else:
            terms.append(0.0)
            slopes.append(0.0)
    _, gradient = label_share(terms, slopes, probabilities, y)
    return sums_without(terms)[y] / sum(terms), [-entry for entry in gradient]


# Other functions of all probabilities


def amse(z, y, a=30.0):
    """sum_j (a [j = y] - p_j)^2 / K; with d_j = p_j - a [j = y], dL/dz_k is the sum over j of
    2 d_j p_j ([j = k] - p_k) / K = 2 p_k (d_k - sum_j d_j p_j) / K.
    """
    p = softmax(z).p
    size = len(z)
    differences = [q - (a if j == y else 0.0) for j, q in enumerate(p)]
    mean = sum(d * q for d, q in zip(differences, p, strict=True))
    gradient = [2 * q * (d - mean) / size for d, q in zip(differences, p, strict=True)]
    return sum(d * d for d in differences) / size, gradient


def eps_softmax_ce(z, y, m=1e4, gamma=0.0, floor=0.0):
    """-(1 - P)^gamma log P, P = (p_y + m [p_y is the largest]) / (m + 1), at least `floor`.

    d log P / d log p_y is p / (p + m) for the largest, else 1, and 0 below the floor.
    """
    probabilities = softmax(z)
    p, log, rest = (values[y] for values in probabilities)
    if z[y] == max(z):
        tilted_rest = rest / (m + 1)
        tilted = Probabilities([1 - tilted_rest], [math.log1p(-tilted_rest)], [tilted_rest])
        factor = p / (p + m)
    else:
        log -= math.log1p(m)
        tilted = Probabilities([math.exp(log)], [log], [-math.expm1(log)])
        factor = 1.0
    if floor > 0 and tilted.log[0] < math.log(floor):
        tilted, factor = Probabilities([floor], [math.log(floor)], [1 - floor]), 0.0
    value, slope = focal_term(tilted, 0, gamma)
    return value, label_gradient(slope * factor, probabilities, y)


# The bi-tempered loss


def bi_tempered(z, y, t1=0.8, t2=1.2):
    """-log_t1(P_y) - (1 - sum_j P_j^(2 - t1)) / (2 - t1), P = tempered_softmax(z, t2).

    With u = 1 - t1, class j != y adds P_j^(1 + u) / (1 + u) to the loss, and the label adds
    `label_divergence`. The gradient is D_j - e_j sum_k D_k, written D_j (1 - e_j) - e_j (the sum
    of the other D_k), with e_j = P_j^t2 / sum_k P_k^t2 and D_j = dL/dP_j P_j^t2:

        D_y = (P_y^u - P_y^(u - 1)) P_y^t2 = -(1 - P_y) P_y^(u + t2 - 1)
        D_j = P_j^(u + t2)
    """
    probabilities = tempered_softmax(z, t2)
    u = 1 - t1
    value = label_divergence(probabilities.log[y], probabilities.rest[y], u)
    derivatives, weights = [], []
    for j, log in enumerate(probabilities.log):
        weights.append(math.exp(t2 * log))
        if j == y:
            derivatives.append(-probabilities.rest[y] * math.exp((u + t2 - 1) * log))
        else:
            derivatives.append(math.exp((u + t2) * log))
            value += math.exp((1 + u) * log) / (1 + u)
    total = sum(weights)
    other_weights = sums_without(weights)
    other_derivatives = sums_without(derivatives)
    gradient = []
    for j in range(len(z)):
        kept = derivatives[j] * other_weights[j]
        gradient.append((kept - weights[j] * other_derivatives[j]) / total)
    return value, gradient


def label_divergence(log, rest, u):
    """-log_t1(P) - (1 - P^(1 + u)) / (1 + u), from log P and rest = 1 - P.

    Its derivative in P is -(1 - P) P^(u - 1), so it is the integral of x (1 - x)^(u - 1) over x
    from 0 to 1 - P. Near P = 1, where the two terms would cancel, the integral is summed as a
    series.
    """
    if rest > 0.1:
        minus_log_t1 = -math.expm1(u * log) / u if u != 0 else -log
        return minus_log_t1 + math.expm1((1 + u) * log) / (1 + u)
    value, power = 0.0, rest * rest
    for n in range(40):
        value += power / (n + 2)
        power *= rest * (n + 1 - u) / (n + 1)
    return value


LOSSES = {
    "CE": ce,
    "MAE": mae,
    "GCE": gce,
    "RCE": rce,
    "SCE": sce,
    "TaylorCE": taylor_ce,
    "PHuberCE": phuber_ce,
    "FocalCE": focal_ce,
    "AGCE": agce,
    "AUL": aul,
    "AEL": ael,
    "JS": js,
    "MAERescale": mae_rescale,
    "ForwardCE": forward_ce,
    "NCE": nce,
    "NFL": nfl,
    "NGCE": ngce,
    "NNCE": nnce,
    "NNFL": nnfl,
    "AMSE": amse,
    "EpsSoftmaxCE": eps_softmax_ce,
    "BiTempered": bi_tempered,
}
