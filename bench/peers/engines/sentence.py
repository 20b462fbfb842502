"""Worker: sentence-transformers on PyTorch. Settings: "dtype" (float32 or bfloat16), "attention" (sdpa or eager), "round"
(false: leave fp32 weights as the release has them)."""
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import sentence_transformers  # noqa: E402
import torch  # noqa: E402

from peers.protocol import serve  # noqa: E402


class Sentence:
    def __init__(self, spec):
        torch.set_num_threads(spec["threads"])
        self.dtype = getattr(torch, spec["dtype"])
        self.model = sentence_transformers.SentenceTransformer(
            spec["model"], device="cpu", model_kwargs={"dtype": self.dtype, "attn_implementation": spec["attention"]}
        )
        self.model.eval()
        if self.dtype is torch.float32 and spec.get("round", True):
            # The weights of every engine of bench/peers are those of the ONNX release.
            with torch.no_grad():
                for parameter in self.model.parameters():
                    parameter.copy_(parameter.bfloat16().float())

    def embed(self, texts, batch):
        with torch.inference_mode():
            vectors = self.model.encode(texts, batch_size=batch, show_progress_bar=False, convert_to_tensor=True)
        return vectors.float().numpy(), 0

    def facts(self):
        facts = {"version": f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}"}
        if self.dtype is torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            facts["caveat"] = "PyTorch has no bf16 arithmetic on this machine and emulates it"
        return facts


if __name__ == "__main__":
    sys.exit(serve(Sentence))
