# A scheme: what each linear and the embedding table become, read from one line, and applied during a forward pass.

import numpy as np

import encoder
import quantizers as qz

SHAPES = {"q": (768, 768), "k": (256, 768), "v": (256, 768), "o": (768, 768), "gate": (1152, 768), "up": (1152, 768),
          "down": (768, 1152)}
KINDS = {
    "i8": qz.Int8(), "i8m": qz.Int8(search=True), "i8g32": qz.Int8(32),
    "i4": qz.Int4(), "i5": qz.Int5(), "i6": qz.Int6(), "i8h": qz.Int8(half=True), "i6h": qz.Int6(True),
    "q40": qz.Q4_0(), "i8c": qz.PerChannel(8), "i4c": qz.PerChannel(4),
}
TABLE_ROWS = 262144
# The embedding table: bits per weight, and what is left of rows [n, 768].
TABLES = {
    "f": (16, lambda rows: rows),
    "8": (8 + 32 / 768, lambda rows: qz.round_weights(rows, qz.Int8(768))),
    "4": (4 + 32 / 768, lambda rows: qz.round_weights(rows, qz.PerChannel(4))),
    "8g128": (8 + 16 / 128, lambda rows: qz.round_weights(rows, qz.Int8(128, search=True))),
    "8g32": (8 + 16 / 32, lambda rows: qz.round_weights(rows, qz.Int8(32, search=True))),
    "8r": (8 + 16 / 128, lambda rows: qz.rotate(qz.round_weights(qz.rotate(rows), qz.Int8(128, search=True)))),
    "q40": (4.5, lambda rows: qz.round_weights(rows, qz.Q4_0())),
    "i4": (4 + 4 / 32 + 32 / 768, lambda rows: qz.table4(rows)),
    "i4s": (4.5, lambda rows: qz.table4_steps(rows)),
    "i4r": (4 + 4 / 32 + 32 / 768, lambda rows: qz.rotate(qz.table4(qz.rotate(rows)))),
    "nl": (4.5, qz.table_values),
    "nl8": (4 + 8 / 32 + 32 / 768, qz.table_values_row),
    "nl64": (4.25, lambda rows: qz.table_values(rows, 64)),
    "nlr": (4.5, lambda rows: qz.rotate(qz.table_values(qz.rotate(rows)))),
    "nlr64": (4.25, lambda rows: qz.rotate(qz.table_values(qz.rotate(rows), 64))),
    "i4sr": (4.5, lambda rows: qz.rotate(qz.table4_steps(qz.rotate(rows)))),
}

CHARACTERS = 236743  # from here the single characters lie, frequent ones first
# The ids that the prompts are made of, with BOS and EOS.
PROMPTS = []


class Linear:
    """What one linear becomes, from words joined by dots.

    f: bf16 weights, fp32 arithmetic. A name of KINDS: its weights. r: rotated in groups of 128. a128, a32, at: int8
    activations in groups of 128, of 32, per token; af: fp32. h: the search is weighted by the inputs' mean squares.
    g: compensated rounding (c: of centred inputs). b: a bias, the mean over the calibration tokens of what is missing.
    """

    def __init__(self, text):
        words = text.split(".")
        self.text, self.kind = text, KINDS.get(words[0])
        if self.kind is None and words[0] != "f":
            raise SystemExit(f"{text}: '{words[0]}' is no kind of weights")
        self.rotated, self.weighted, self.compensated = "r" in words, "h" in words, "g" in words
        self.centered = "c" in words
        self.bias = "b" in words
        acts = [w for w in words if w in ("a128", "a32", "at", "af")]
        self.act = acts[0] if acts else "af" if self.kind is None else "a128"

    @property
    def calibrated(self):
        return self.weighted or self.compensated or self.bias

    def inputs(self, x, signs):
        x = qz.rotate_inputs(x, signs) if self.rotated else x
        if self.act == "af":
            return x
        return qz.round_activations(x, {"a128": 128, "a32": 32, "at": x.shape[1]}[self.act])

    def bits(self):
        return 16 if self.kind is None else self.kind.bits


class Scheme:
    """Parses "emb=8 all=i8.r v=f": later words overrule earlier ones."""

    def __init__(self, text):
        self.text, self.table_kind, self.linears = text, "f", {}
        self.tokens, self.weights, self.signs = 0, None, np.float32(1)  # of the calibration texts, which come first
        for word in text.split():
            name, _, value = word.partition("=")
            if name == "emb":
                self.table_kind, *words = value.split(".")
                self.protected = PROMPTS if "p" in words else []
                self.frequent = next((int(w[1:]) for w in words if w[0] == "n"), 0)
                self.characters = next((int(w[1:]) for w in words if w[0] == "c"), 0)
            else:
                which, _, layers = name.partition("@")
                first, last = map(int, layers.split("-")) if layers else (0, encoder.LAYERS - 1)
                which = {"all": "q,k,v,o,gate,up,down"}.get(which, which)
                for n in which.split(","):
                    for layer in range(first, last + 1):
                        self.linears[layer, n] = Linear(value)

    @property
    def calibrated(self):
        return any(linear.calibrated for linear in self.linears.values())

    def bytes(self):
        table = TABLES[self.table_kind][0]
        table = TABLE_ROWS * 768 * table / 8 + (self.frequent + self.characters) * 768 * (8.5 - table) / 8
        linears = sum(np.prod(SHAPES[name]) * linear.bits() / 8 for (_, name), linear in self.linears.items())
        bias = sum(4 * SHAPES[name][0] for (_, name), linear in self.linears.items() if linear.bias)
        return round(table + linears + bias + 768 * 768 * 4 + 1_500_000)

    def table(self, ids, rows):
        out = TABLES[self.table_kind][1](rows)
        protected = np.isin(ids, self.protected) | (ids < self.frequent)
        protected |= (ids >= CHARACTERS) & (ids < CHARACTERS + self.characters)
        out[protected] = TABLES["8g32"][1](rows[protected])
        return out

    def apply(self, layer, names, x):
        out, seen = {}, {}
        for text in dict.fromkeys(self.linears[layer, n].text for n in names):
            same = [n for n in names if self.linears[layer, n].text == text]
            linear = self.linears[layer, same[0]]
            key = (linear.rotated, linear.act)
            if key not in seen:
                seen[key] = linear.inputs(x, self.signs)
            y = self.outputs(linear, layer, same, x, seen[key])
            at = 0
            for n in same:
                out[n] = np.ascontiguousarray(y[:, at : at + SHAPES[n][0]])
                at += SHAPES[n][0]
        return out

    def outputs(self, linear, layer, names, x, rounded):
        w = np.concatenate([self.weights.linear(layer, n) for n in names])
        cal = slice(0, self.tokens)
        exact = w
        if linear.rotated:
            w = qz.rotate_inputs(w, self.signs)
        if linear.kind is not None:
            if linear.compensated:
                z = rounded[cal]
                mean = z.mean(0) if linear.centered else np.zeros(z.shape[1], np.float32)
                moments = z.T @ z / np.float32(len(z)) - np.outer(mean, mean)
                w = qz.compensated(w, linear.kind, moments)
            else:
                importance = (rounded[cal] ** 2).mean(0) if linear.weighted else None
                w = qz.round_weights(w, linear.kind, importance)
        y = rounded @ w.T
        if linear.bias:
            y += x[cal].mean(0) @ exact.T - y[cal].mean(0)
        return y
