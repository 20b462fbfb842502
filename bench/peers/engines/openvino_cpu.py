"""Worker: OpenVINO on the CPU. Settings: "file", "precision" (f32 or bf16), "cache" (a folder for compiled models), and
"group", the group size of dynamic quantisation, if it is not OpenVINO's own choice. "strict": bf16 is what this engine is
about, so one that computes in something else is no fair peer."""
import sys

import openvino

from peers.engines.batches import Batches
from peers.protocol import serve


class OpenVino:
    def __init__(self, spec):
        core = openvino.Core()
        config = {
            "INFERENCE_NUM_THREADS": spec["threads"],
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": spec["precision"],
        }
        if spec.get("cache"):
            config["CACHE_DIR"] = spec["cache"]
        if spec.get("group") is not None:
            config["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(spec["group"])
        self.asked = spec["precision"] if spec.get("strict") else None
        self.model = core.compile_model(spec["file"], "CPU", config)
        self.capabilities = list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        self.request = self.model.create_infer_request()
        self.output = next(x for x in self.model.outputs if "sentence_embedding" in x.names)
        self.batches = Batches(spec["model"])

    def run(self, ids, mask):
        return self.request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)[self.output]

    def embed(self, texts, batch):
        return self.batches.embed(texts, batch, self.run)

    def read_back(self, name):
        try:
            value = self.model.get_property(name)
        except RuntimeError:
            return "unknown"
        return value.get_type_name() if hasattr(value, "get_type_name") else str(value)

    def facts(self):
        precision = self.read_back("INFERENCE_PRECISION_HINT")
        facts = {
            "version": f"openvino {openvino.__version__.split('-')[0]}",
            "precision": precision,
            "group": self.read_back("DYNAMIC_QUANTIZATION_GROUP_SIZE"),
            "capabilities": self.capabilities,
        }
        if self.asked == "bf16" and precision != "bf16":
            facts["caveat"] = f"was asked for bf16 and says that it computes in {precision} on this machine"
        elif self.asked == "bf16" and "BF16" not in self.capabilities:
            facts["caveat"] = "accepts bf16 but does not list it among what this machine can do: it may emulate it"
        return facts


if __name__ == "__main__":
    sys.exit(serve(OpenVino))
