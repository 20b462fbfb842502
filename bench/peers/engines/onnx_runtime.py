"""Worker: ONNX Runtime on the CPU. Settings: "file", an ONNX file."""
import sys

import onnxruntime

from peers.engines.batches import Batches
from peers.protocol import serve


class OnnxRuntime:
    def __init__(self, spec):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = spec["threads"]
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(spec["file"], options, providers=["CPUExecutionProvider"])
        self.batches = Batches(spec["model"])

    def run(self, ids, mask):
        return self.session.run(["sentence_embedding"], {"input_ids": ids, "attention_mask": mask})[0]

    def embed(self, texts, batch):
        return self.batches.embed(texts, batch, self.run)

    def facts(self):
        return {"version": f"onnxruntime {onnxruntime.__version__}"}


if __name__ == "__main__":
    sys.exit(serve(OnnxRuntime))
