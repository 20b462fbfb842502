"""sentence-transformers behind FastAPI and uvicorn, as people write it: one forward pass at a time on all threads."""
import os
import sys
import threading

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import fastapi  # noqa: E402
import pydantic  # noqa: E402
import sentence_transformers  # noqa: E402
import torch  # noqa: E402
import uvicorn  # noqa: E402

app = fastapi.FastAPI()
lock = threading.Lock()


class EmbedRequest(pydantic.BaseModel):
    inputs: str | list[str]


@app.get("/health")
def health():
    return {}


@app.post("/embed")
def embed(request: EmbedRequest):
    texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
    with lock, torch.inference_mode():
        return model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False).tolist()


if __name__ == "__main__":
    folder, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    model = sentence_transformers.SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": torch.float32})
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
