"""The release's tokenizer with the calls of transformers: ids, masks, padding, and text again."""

import os
from collections.abc import Mapping

import numpy as np

from . import _gemvec
from ._errors import InvalidArgument
from ._session import path_of, whole_number

PAD, EOS, BOS = 0, 1, 2  # gemvec_special of the C API
NO_LIMIT = 0


class BatchEncoding(dict):
    """A dict of `input_ids` and `attention_mask`, also as attributes, and itself as `data`."""

    @property
    def data(self):
        return dict(self)

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def list_of_texts(texts, what):
    """(list of str, whether it was one str). TypeError, which names the place, for anything else."""
    if isinstance(texts, str):
        return [texts], True
    if texts is None or isinstance(texts, (bytes, Mapping)) or not hasattr(texts, "__iter__"):
        raise TypeError(f"{what}: expected str or a list of str, got {type(texts).__name__}")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{what}[{i}]: expected str, got {type(text).__name__}")
    return texts, False


class Tokenizer:
    """Text to ids and back, exactly as the release's tokenizer.json says.

    `tokenizer(texts, padding=True, return_tensors="np")` gives `input_ids` and `attention_mask`, int64 [texts, tokens].
    A text cut by `truncation=True` keeps EOS. Safe to use from many threads.
    """

    model_input_names = ["input_ids", "attention_mask"]

    def __init__(self, native, path, model_max_length=_gemvec.MAX_TOKENS, padding_side="right", cache_dir=None):
        self._native = native
        self._path = path
        self._cache_dir = cache_dir  # for whoever loads it again
        self.model_max_length = model_max_length
        self.padding_side = padding_side

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path=None, *, cache_dir=None, padding_side="right",
                        model_max_length=_gemvec.MAX_TOKENS, **ignored):
        """The tokenizer of a model folder or file, of a tokenizer.json, or of a name that `EmbeddingGemma` takes.

        Arguments of transformers that choose what to download or how to tokenise (`revision`, `use_fast`, ...) are
        ignored. Errors: ModelNotFound, BadModel.
        """
        if padding_side not in ("right", "left"):
            raise InvalidArgument(f"padding_side {padding_side!r}: expected right or left")
        path = path_of(pretrained_model_name_or_path)
        folder = None if cache_dir is None else os.fspath(cache_dir)
        return cls(_gemvec.Tokenizer.load(path, folder), path, model_max_length, padding_side, folder)

    def __getstate__(self):
        return {"path": self._path, "model_max_length": self.model_max_length, "padding_side": self.padding_side,
                "cache_dir": self._cache_dir}

    def __setstate__(self, state):
        self.__init__(_gemvec.Tokenizer.load(state["path"], state["cache_dir"]), **state)

    def __len__(self):
        return self._native.vocab_size

    @property
    def vocab_size(self):
        return self._native.vocab_size

    @property
    def pad_token_id(self):
        return self._native.special_id(PAD)

    @property
    def eos_token_id(self):
        return self._native.special_id(EOS)

    @property
    def bos_token_id(self):
        return self._native.special_id(BOS)

    @property
    def pad_token(self):
        return self._native.piece(self.pad_token_id)

    @property
    def eos_token(self):
        return self._native.piece(self.eos_token_id)

    @property
    def bos_token(self):
        return self._native.piece(self.bos_token_id)

    def __call__(self, text, text_pair=None, *, add_special_tokens=True, padding=False, truncation=False, max_length=None,
                 pad_to_multiple_of=None, padding_side=None, return_tensors=None, return_attention_mask=True,
                 return_length=False, **unknown):
        """Ids and masks of one text or a list of texts.

        padding: False, True or "longest", or "max_length". truncation: False, or True or "longest_first" (to
        `max_length`, else to `model_max_length`). return_tensors: None (lists), "np", or "pt" (needs torch).
        Errors: TypeError for what is no text, ValueError for the rest.
        """
        if text_pair is not None:
            raise InvalidArgument("text_pair: the model takes single texts")
        self._refuse(unknown)
        texts, single = list_of_texts(text, "text")
        limit = self._limit(truncation, max_length)
        lists = self._native.tokenize(texts, "", limit, bool(add_special_tokens), True)
        width = self._width(lists, padding, max_length, pad_to_multiple_of)
        encoding = self._pad(lists, width, padding_side or self.padding_side)
        if return_length:
            encoding["length"] = [len(ids) for ids in encoding["input_ids"]]
        if not return_attention_mask:
            del encoding["attention_mask"]
        if return_tensors is None:
            return BatchEncoding({name: rows[0] if single else rows for name, rows in encoding.items()})
        return BatchEncoding(self._tensors(encoding, return_tensors))

    @staticmethod
    def _refuse(unknown):
        # Arguments that change nothing here, at the values that change nothing.
        harmless = {"return_token_type_ids": (None, False), "return_overflowing_tokens": (False,), "verbose": (True, False),
                    "return_special_tokens_mask": (False,), "return_offsets_mapping": (False,), "stride": (0,),
                    "is_split_into_words": (False,)}
        for name, value in unknown.items():
            if name not in harmless or value not in harmless[name]:
                raise TypeError(f"{name}={value!r}: gemvec's tokenizer does not have this")

    def _limit(self, truncation, max_length):
        if truncation in (False, None, "do_not_truncate"):
            return NO_LIMIT
        if truncation not in (True, "longest_first", "only_first"):
            raise InvalidArgument(f"truncation {truncation!r}: expected True or False")
        return self.model_max_length if max_length is None else whole_number("max_length", max_length, 2, 2**31 - 1)

    def _width(self, lists, padding, max_length, multiple):
        longest = max((len(ids) for ids in lists), default=0)
        if padding in (False, None, "do_not_pad"):
            return None
        if padding == "max_length":
            longest = max(longest, self.model_max_length if max_length is None else max_length)
        elif padding not in (True, "longest"):
            raise InvalidArgument(f"padding {padding!r}: expected True, False, 'longest' or 'max_length'")
        if multiple:
            longest = -(-longest // multiple) * multiple
        return longest

    def _pad(self, lists, width, side):
        pad = self.pad_token_id
        rows, masks = [], []
        for ids in lists:
            missing = 0 if width is None else width - len(ids)
            rows.append([pad] * missing + ids if side == "left" else ids + [pad] * missing)
            mask = [1] * len(ids)
            masks.append([0] * missing + mask if side == "left" else mask + [0] * missing)
        return {"input_ids": rows, "attention_mask": masks}

    @staticmethod
    def _tensors(encoding, kind):
        if kind not in ("np", "pt"):
            raise InvalidArgument(f"return_tensors {kind!r}: expected 'np' or 'pt'")
        if len({len(row) for row in encoding["input_ids"]}) > 1:
            raise InvalidArgument("The texts have different numbers of tokens: padding=True makes them a rectangle.")
        arrays = {name: np.array(rows, dtype=np.int64) for name, rows in encoding.items()}
        if kind == "np":
            return arrays
        import torch

        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def encode(self, text, add_special_tokens=True, **options):
        """The ids of one text, as a list, or as `return_tensors` says."""
        return self(text, add_special_tokens=add_special_tokens, **options)["input_ids"]

    def tokenize(self, text, add_special_tokens=False):
        """The tokens of one text as the vocabulary spells them."""
        return self.convert_ids_to_tokens(self.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, token_ids, skip_special_tokens=False):
        """The text that ids spell. Ids outside the table spell nothing."""
        ids = np.atleast_1d(np.asarray(token_ids))
        if ids.size and ids.dtype.kind not in "iu":
            raise TypeError(f"token_ids: expected whole numbers, got {ids.dtype}")
        inside = ids[(ids >= 0) & (ids < self.vocab_size)] if ids.size else ids
        return self._native.decode([int(i) for i in inside], bool(skip_special_tokens))

    def batch_decode(self, sequences, skip_special_tokens=False):
        return [self.decode(ids, skip_special_tokens) for ids in sequences]

    def convert_ids_to_tokens(self, ids):
        """The vocabulary's spelling of an id, or of each of a list."""
        if hasattr(ids, "__iter__"):
            return [self.convert_ids_to_tokens(i) for i in ids]
        return self._native.piece(whole_number("ids", ids, 0, self.vocab_size - 1))


class AutoTokenizer:
    """For scripts that say `AutoTokenizer.from_pretrained(...)`."""

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path=None, **options):
        """See Tokenizer.from_pretrained."""
        return Tokenizer.from_pretrained(pretrained_model_name_or_path, **options)
