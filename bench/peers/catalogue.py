"""Who takes part: each engine, the settings to try for it, and the goals that gemvec has set itself beside the others.

Engines of one family hold the same kind of numbers. They are up at the same time and take turns on each workload, so that
what is compared was measured side by side; one family follows the other within a round, or memory would not suffice.
"""
import dataclasses

FAMILIES = ("fp32", "bf16", "int8", "int4")
# Texts a call that are tried. Everybody sorts texts by length first. gemvec makes its own batches, without padding.
BATCHES = {"S": (8, 16, 32, 64), "M": (1, 2, 4, 8, 16), "L": (1, 2)}


@dataclasses.dataclass(frozen=True)
class Engine:
    key: str  # "ort-q8"
    name: str  # "ONNX Runtime q8"
    family: str
    environment: str  # one of environments.NAMES, or "gemvec": the C++ worker
    module: str = ""
    variants: tuple = ({},)  # settings; {models} and {cache} in strings stand for folders. The fastest takes part.
    batches: bool = True  # whether batch sizes are tried

    @property
    def is_gemvec(self):
        return self.environment == "gemvec"


def onnx(key, name, family, files):
    return Engine(key, name, family, "onnx", "peers.engines.onnx_runtime", tuple({"file": "{models}/" + f} for f in files))


def openvino(key, name, family, *variants):
    settings = tuple({"cache": "{cache}/openvino", **variant} for variant in variants)
    return Engine(key, name, family, "openvino", "peers.engines.openvino_cpu", settings)


def llama(key, name, family, file):
    # flash attention: 0 off, 1 on
    settings = tuple({"file": "{models}/" + file, "flash": flash} for flash in (0, 1))
    return Engine(key, name, family, "llama", "peers.engines.llama", settings)


def torch(key, name, family, dtype):
    return Engine(key, name, family, "torch", "peers.engines.sentence", ({"dtype": dtype, "attention": "sdpa"},))


def gemvec(key, name, family, dtype, compute="native"):
    return Engine(key, name, family, "gemvec", variants=({"dtype": dtype, "compute": compute},), batches=False)


FP32_XML, INT8_XML = "{models}/openvino-fp32.xml", "{models}/openvino-int8.xml"
ENGINES = (
    gemvec("gemvec-fp32", "gemvec fp32", "fp32", "fp32"),
    gemvec("gemvec-bf16-fp32", "gemvec bf16 --compute fp32", "fp32", "bf16", "fp32"),
    onnx("ort-fp32", "ONNX Runtime fp32", "fp32", ("fused.onnx", "plain.onnx")),
    openvino("openvino-fp32", "OpenVINO fp32", "fp32", {"file": FP32_XML, "precision": "f32"}),
    torch("st-fp32", "sentence-transformers fp32", "fp32", "float32"),
    gemvec("gemvec-bf16", "gemvec bf16", "bf16", "bf16"),
    openvino("openvino-bf16", "OpenVINO bf16", "bf16", {"file": FP32_XML, "precision": "bf16", "strict": True}),
    llama("llama-bf16", "llama.cpp bf16", "bf16", "bf16.gguf"),
    torch("st-bf16", "sentence-transformers bf16", "bf16", "bfloat16"),
    gemvec("gemvec-q8", "gemvec q8", "int8", "q8"),
    onnx("ort-q8", "ONNX Runtime q8", "int8", ("fused-q8.onnx", "plain-q8.onnx")),
    openvino(
        "openvino-int8", "OpenVINO int8 weights", "int8",
        {"file": INT8_XML, "precision": "bf16"},
        {"file": INT8_XML, "precision": "bf16", "group": 0},
        {"file": INT8_XML, "precision": "f32"},
    ),  # fmt: skip
    llama("llama-q8", "llama.cpp Q8_0", "int8", "q8_0.gguf"),
    gemvec("gemvec-q4", "gemvec q4", "int4", "q4"),
    onnx("ort-q4", "ONNX Runtime q4", "int4", ("fused-q4.onnx", "plain-q4.onnx")),
    llama("llama-q4", "llama.cpp Q4_0", "int4", "q4_0.gguf"),
)
REFERENCE = "gemvec-bf16-fp32"  # its vectors are the exact ones to 1e-6, which scripts/test -R golden says


@dataclasses.dataclass(frozen=True)
class Goal:
    """`ours` at least `factor` times as fast as the fastest of `peers` on the workload. The ratio is taken in each round."""

    ours: str
    peers: tuple
    workload: str
    factor: float


FP32_PEERS = ("ort-fp32", "openvino-fp32", "st-fp32")
ALL_PEERS = tuple(e.key for e in ENGINES if not e.is_gemvec)
GOALS = (
    *(Goal("gemvec-fp32", FP32_PEERS, w, 1.4) for w in ("S", "M", "L")),
    *(Goal("gemvec-bf16", ("openvino-bf16",), w, 1.5) for w in ("S", "M", "L")),
    Goal("gemvec-q8", ("ort-q8",), "S", 1.8),
    Goal("gemvec-q8", ("ort-q8",), "M", 2.2),
    Goal("gemvec-q8", ("openvino-int8",), "S", 2.5),
    Goal("gemvec-q8", ("openvino-int8",), "M", 2.0),
    Goal("gemvec-q8", ("openvino-int8",), "L", 2.0),
    Goal("gemvec-q8", ALL_PEERS, "one", 3.0),
    Goal("gemvec-q4", ("gemvec-q8",), "one", 1.0),
)


@dataclasses.dataclass(frozen=True)
class Limit:
    """A figure of one of ours that has to stay at or below `most`."""

    engine: str
    figure: str  # a key of results.figures()
    most: float
    text: str


LIMITS = (
    Limit("gemvec-q8", "one_ms", 6, "one query, ms"),
    *(Limit(f"gemvec-{d}", "load_ms", 60, "process start to first vector, ms") for d in ("fp32", "bf16", "q8", "q4")),
    Limit("gemvec-q8", "private_mb", 60, "memory beyond the mapped file, MB"),
    Limit("gemvec-q4", "peak_mb", 200, "resident memory, MB"),
)


def by_key(key):
    return next(e for e in ENGINES if e.key == key)


def choose(only, first_settings=False):
    """Engines whose key contains one of the words, all of them if there is none; with their first settings alone."""
    chosen = [e for e in ENGINES if not only or any(word in e.key for word in only)]
    if not chosen:
        raise ValueError(f"no engine matches {', '.join(only)}; there are " + ", ".join(e.key for e in ENGINES))
    return [dataclasses.replace(e, variants=e.variants[:1]) if first_settings else e for e in chosen]
