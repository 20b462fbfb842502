# How weights and activations are rounded: Hadamard rotation, 8 and 4 bits, searches for scales, compensated rounding.

import numpy as np

GROUP, SUB = 128, 32


def hadamard(n=GROUP):
    h = np.ones((1, 1), np.float32)
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h / np.float32(np.sqrt(n))


H = hadamard()


def rotate(x):
    """Each group of 128 of the last axis times the symmetric Hadamard matrix, which is its own inverse."""
    return (x.reshape(-1, GROUP) @ H).reshape(x.shape)


def rotate_inputs(x, signs):
    """As the linears' inputs and weights are: each group first times signs [128]."""
    return ((x.reshape(-1, GROUP) * signs) @ H).reshape(x.shape)


def round_activations(x, group=GROUP):
    """int8 per row and group: codes times scales."""
    g = x.reshape(-1, group)
    scale = np.abs(g).max(1, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    codes = np.rint(g / scale)
    codes *= scale
    return codes.reshape(x.shape)


def half(scale):
    """Scales as fp16 keeps them; times 256, for small ones are not to be subnormal."""
    return np.maximum((scale * 256).astype(np.float16), np.float16(6e-8)).astype(np.float32) / 256


class Int8:
    """Codes -127..127, one fp32 scale per output and group along K."""

    def __init__(self, group=GROUP, search=False, half=False):
        self.group, self.search, self.half = group, search, half
        self.bits = 8 + (16 if half else 32) / group

    def fit(self, w, importance=None):
        """w [rows, group] -> state with one scale per row."""
        top = np.maximum(np.abs(w).max(1), 1e-30)
        scale = top / 127
        if not self.search:
            return half(scale) if self.half else scale
        best = np.full(len(w), np.inf, np.float32)
        for t in (127, 125, 123, 121, 129, 131, 134, 138):
            s = (top / t)[:, None]
            e = weighted_error(w, np.clip(np.rint(w / s), -127, 127) * s, importance)
            better = e < best
            scale = np.where(better, s[:, 0], scale)
            best = np.where(better, e, best)
        return scale

    def refit(self, state, w, j):
        return state

    def column(self, state, w, j):
        return np.clip(np.rint(w / state), -127, 127) * state

    def decode(self, w, importance=None):
        s = self.fit(w, importance)[:, None]
        return np.clip(np.rint(w / s), -127, 127) * s


class Int4:
    """Codes -8..7 times a sub-scale 1..15 per group of 32: int8 codes of a group of 128, which has an fp32 scale."""

    group, bits, low, tops = GROUP, 4 + 4 / SUB + 32 / GROUP, -8, range(7, 16)
    steps = np.linspace(5.0, 9.0, 13, dtype=np.float32)  # largest weight / step, to be tried

    def fit(self, w, importance=None):
        """w [rows, 128] -> (scale [rows], sub [rows, 4])"""
        w = w.reshape(len(w), -1, SUB)
        imp = None if importance is None else importance.reshape(-1, SUB)
        step = best_step(w, self, imp)
        largest = step.max(1)
        best = np.full(len(w), np.inf, np.float32)
        scale, sub = np.ones(len(w), np.float32), np.ones(step.shape, np.float32)
        for top in self.tops:
            s = largest / top
            t = np.clip(np.rint(step / s[:, None]), 1, self.tops[-1])
            d = (t * s[:, None])[:, :, None]
            e = weighted_error(w, round_codes(w, d, self.low), imp).sum(1)
            better = e < best
            best = np.where(better, e, best)
            scale = np.where(better, s, scale)
            sub = np.where(better[:, None], t, sub)
        return scale, sub

    def refit(self, state, w, j):
        """The sub-scale of the group of 32 that begins at column j of this group, for what w [rows, 32] has become."""
        scale, sub = state
        first = sub[:, j // SUB]
        best, chosen = np.full(len(w), np.inf, np.float32), first
        for delta in (0, -1, 1, -2, 2):
            t = np.clip(first + delta, 1, self.tops[-1])
            e = weighted_error(w, round_codes(w, (t * scale)[:, None], self.low), None)
            better = e < best
            best, chosen = np.where(better, e, best), np.where(better, t, chosen)
        sub[:, j // SUB] = chosen
        return scale, sub

    def column(self, state, w, j):
        return round_codes(w, state[0] * state[1][:, j // SUB], self.low)

    def decode(self, w, importance=None):
        scale, sub = self.fit(w, importance)
        g = w.reshape(len(w), -1, SUB)
        return round_codes(g, (sub * scale[:, None])[:, :, None], self.low).reshape(w.shape)


class Int5(Int4):
    """Codes -16..15 times a sub-scale 1..7 per group of 32, one fp32 scale per group of 128: for comparison."""

    low, tops, steps, bits = -16, range(4, 8), np.linspace(11, 17, 7, dtype=np.float32), 5 + 3 / SUB + 32 / GROUP


class Int6:
    """Codes -31..31, one fp32 scale per output and group of 128: for comparison."""

    group = GROUP

    def __init__(self, half=False):
        self.half, self.bits = half, 6 + (16 if half else 32) / GROUP

    def decode(self, w, importance=None):
        top = np.maximum(np.abs(w).max(1), 1e-30)
        best, out = np.full(len(w), np.inf, np.float32), np.empty_like(w)
        for t in (31, 33, 35, 37, 39):
            s = (half(top / t) if self.half else top / t)[:, None]
            decoded = np.clip(np.rint(w / s), -31, 31) * s
            e = weighted_error(w, decoded, importance)
            better = e < best
            best = np.where(better, e, best)
            out[better] = decoded[better]
        return out


class PerChannel:
    """Codes -top..top, one fp32 scale per output: for comparison."""

    group = None  # all of K

    def __init__(self, bits):
        self.top, self.bits = 2 ** (bits - 1) - 1, bits + 0.04

    def decode(self, w, importance=None):
        s = np.maximum(np.abs(w).max(1, keepdims=True), 1e-30) / self.top
        return np.rint(w / s) * s


class Q4_0:
    """4 bits as in GGUF: an fp16 step per group of 32, the weight of largest magnitude at code -8."""

    group, bits = SUB, 4.5

    def decode(self, w, importance=None):
        top = np.take_along_axis(w, np.abs(w).argmax(1)[:, None], 1)
        d = top / -8
        d[d == 0] = 1
        codes = np.clip(np.floor(w / d + 8.5), 0, 15) - 8
        return codes * d.astype(np.float16).astype(np.float32)


# 16 values for a bell curve, as in llama.cpp's IQ4_NL.
VALUES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)


def round_values(w, step):
    """The nearest of VALUES times step."""
    return VALUES[np.searchsorted((VALUES[1:] + VALUES[:-1]) / 2, w / step)] * step


def table_values(rows, group=SUB):
    """The embedding table's rows: codes of VALUES times an fp16 step (of either sign) per group of 32."""
    w = rows.reshape(-1, group)
    top = np.maximum(np.abs(w).max(1), 1e-30)
    best, out = np.full(len(w), np.inf, np.float32), np.empty_like(w)
    for t in np.linspace(95, 140, 8, dtype=np.float32):
        for sign in (1, -1):
            decoded = round_values(w, (sign * top / t).astype(np.float16).astype(np.float32)[:, None])
            e = weighted_error(w, decoded, None)
            better = e < best
            best = np.where(better, e, best)
            out[better] = decoded[better]
    return out.reshape(rows.shape)


def table_values_row(rows):
    """The same with an int8 sub-scale -127..127 per group of 32 and one fp32 scale per row."""
    w = rows.reshape(len(rows), -1, SUB)
    top = np.maximum(np.abs(w).max(2), 1e-30)  # [rows, 24]
    scale = top.max(1, keepdims=True) / 95 / 127  # the largest step that is tried, at 127
    best, out = np.full(top.shape, np.inf, np.float32), np.empty_like(w)
    for t in np.linspace(95, 140, 8, dtype=np.float32):
        for sign in (1, -1):
            sub = sign * np.maximum(np.rint(top / t / scale), 1)
            decoded = round_values(w, (sub * scale)[..., None])
            e = weighted_error(w, decoded, None)
            better = e < best
            best = np.where(better, e, best)
            out[better] = decoded[better]
    return out.reshape(rows.shape)


def round_codes(w, step, low=-8):
    return np.clip(np.rint(w / step), low, -1 - low) * step


def best_step(w, kind, importance=None):
    top = np.maximum(np.abs(w).max(-1), 1e-30)
    best, step = np.full(top.shape, np.inf, np.float32), top / 8
    for t in kind.steps:
        d = top / t
        e = weighted_error(w, round_codes(w, d[..., None], kind.low), importance)
        better = e < best
        best, step = np.where(better, e, best), np.where(better, d, step)
    return step


def weighted_error(w, decoded, importance):
    e = decoded - w
    e *= e
    if importance is not None:
        e *= importance
    return e.sum(-1)


def round_weights(w, kind, importance=None):
    """w [N, K] -> the same, rounded on its own. importance [K]: the mean square of each input."""
    n, k = w.shape
    group = kind.group or k
    g = np.ascontiguousarray(w).reshape(n, k // group, group)
    out = np.empty_like(g)
    for i in range(g.shape[1]):
        part = None if importance is None else importance[i * group : (i + 1) * group]
        out[:, i] = kind.decode(np.ascontiguousarray(g[:, i]), part)
    return out.reshape(n, k)


def compensated(w, kind, moments, damp=0.05):
    """GPTQ: columns in order; what rounding one does to the outputs is spread over the columns not yet rounded.

    moments [K, K]: the mean of x x', of the inputs.
    """
    n, k = w.shape
    h = moments.astype(np.float64) + damp * np.mean(np.diag(moments)) * np.eye(k)
    upper = np.linalg.cholesky(np.linalg.inv(h)).T.astype(np.float32)
    left = np.ascontiguousarray(w.T)  # [K, N]
    out = np.empty_like(left)
    for a in range(0, k, GROUP):
        b = a + GROUP
        errors = np.empty((GROUP, n), np.float32)
        for j in range(a, b):
            if j % kind.group == 0:
                state = kind.fit(np.ascontiguousarray(left[j : j + kind.group].T))
            elif j % SUB == 0:
                state = kind.refit(state, np.ascontiguousarray(left[j : j + SUB].T), j % kind.group)
            out[j] = kind.column(state, left[j], j % kind.group)
            errors[j - a] = (left[j] - out[j]) / upper[j, j]
            left[j + 1 : b] -= upper[j, j + 1 : b, None] * errors[j - a]
        left[b:] -= upper[a:b, b:].T @ errors
    return np.ascontiguousarray(out.T)


def table4(rows):
    """The embedding table's rows: codes -8..7 times a sub-scale 1..15 per group of 32, one fp32 scale per row."""
    w = rows.reshape(len(rows), -1, SUB)
    step = best_step(w, Int4)
    best, out = np.full(len(w), np.inf, np.float32), np.empty_like(w)
    for top in (15, 14, 13, 12, 11, 10):
        s = step.max(1) / top
        d = (np.clip(np.rint(step / s[:, None]), 1, 15) * s[:, None])[:, :, None]
        decoded = round_codes(w, d)
        e = weighted_error(w, decoded, None).sum(1)
        better = e < best
        best = np.where(better, e, best)
        out[better] = decoded[better]
    return out.reshape(rows.shape)


def table4_steps(rows):
    """The embedding table's rows: codes -8..7 times an fp16 step per group of 32."""
    w = rows.reshape(-1, SUB)
    sign = np.where(w.max(1) > -w.min(1), -1, 1).astype(np.float32)  # the largest weight is at -8
    step = best_step(w * sign[:, None], Int4).astype(np.float16).astype(np.float32) * sign
    return round_codes(w, step[:, None]).reshape(rows.shape)
