"""The model for mteb. Needs mteb, which needs torch.

    import mteb, gemvec.mteb
    mteb.evaluate(gemvec.mteb.Encoder(), mteb.get_tasks(tasks=["STS12"]))
"""

from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ModelMeta, ScoringFunction

from . import __version__
from ._model import EmbeddingGemma

# Options of a run that are about other engines: how many texts at a time, where they are computed.
IGNORED = ("batch_size", "device", "convert_to_tensor", "convert_to_numpy", "num_proc")


class Encoder(AbsEncoder):
    """mteb's encoder protocol. Prompts are chosen by the task's name and type, as for sentence-transformers.

    `model` is an EmbeddingGemma, or what its constructor takes, with its other arguments as `options`.
    """

    def __init__(self, model=None, **options):
        self.model = model if isinstance(model, EmbeddingGemma) else EmbeddingGemma(model, **options)
        self.model_prompts = self.model.prompts
        numbers = self.model.info["dtype"]
        self.mteb_model_meta = ModelMeta.create_empty(overwrites={
            "name": f"gemvec/embeddinggemma-300m-{numbers}", "revision": __version__, "embed_dim":
            self.model.get_embedding_dimension(), "max_tokens": self.model.max_seq_length,
            "open_weights": True, "similarity_fn_name": ScoringFunction.COSINE, "use_instructions": True})  # fmt: skip

    def encode(self, inputs, *, task_metadata, hf_split=None, hf_subset=None, prompt_type=None, **options):
        """float32 [texts, dim] of batches that have "text"."""
        name = self.get_prompt_name(task_metadata, prompt_type)
        options = {key: value for key, value in options.items() if key not in IGNORED}
        texts = [text for batch in inputs for text in batch["text"]]
        return self.model.encode(texts, prompt=self.model.prompts[name] if name else "", **options)
