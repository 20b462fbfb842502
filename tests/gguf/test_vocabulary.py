# The release's own vocabulary, out of its tokenizer.model, in a GGUF file: the tables are those of tokenizer.json.

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import gguf
from gguf_files import probe, write_vocabulary
from sentencepiece import SentencePieceProcessor

TEXTS = pathlib.Path(__file__).parent.parent / "tokenizer/data/fuzz.json"


def model_folder():
    if os.environ.get("GEMVEC_MODEL"):
        return pathlib.Path(os.environ["GEMVEC_MODEL"])
    done = subprocess.run([os.environ["GEMVEC_BIN"], "pull"], capture_output=True, text=True, check=True, timeout=300)
    return pathlib.Path(done.stdout.strip())


def vocabulary(folder):
    """(pieces, scores, types) as llama.cpp's converter writes them."""
    model = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    kinds = gguf.TokenType
    pieces, scores, types = [], [], []
    for i in range(model.vocab_size()):
        pieces.append(model.id_to_piece(i))
        scores.append(model.get_score(i))
        is_kind = {
            kinds.UNKNOWN: model.is_unknown(i),
            kinds.CONTROL: model.is_control(i),
            kinds.UNUSED: model.is_unused(i),
            kinds.BYTE: model.is_byte(i),
        }
        types.append(next((kind for kind, true in is_kind.items() if true), kinds.NORMAL))
    added = json.loads((folder / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    for key, token in added.items():
        i, text = int(key), token["content"]
        if i >= len(pieces):
            continue
        control = token["special"] or text == "<mask>" or text.startswith("<unused")
        pieces[i], scores[i] = text if control else text.replace("▁", " "), -1000.0
        types[i] = kinds.CONTROL if control else kinds.USER_DEFINED
    return pieces, scores, types


class Vocabulary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = model_folder()
        cls.work = tempfile.TemporaryDirectory(prefix="gemvec-gguf-")
        cls.addClassCleanup(cls.work.cleanup)
        cls.file = f"{cls.work.name}/vocabulary.gguf"
        writer = gguf.GGUFWriter(cls.file, "gemma-embedding")
        write_vocabulary(writer, *vocabulary(cls.folder))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def test_ids_are_those_of_tokenizer_json(self):
        cases = json.loads(TEXTS.read_text(encoding="utf-8"))
        self.assertEqual(len(cases), 1500)
        raw = [text.encode() for text, _ in cases]
        lines = probe("ids", self.file, stdin=b"".join(b"%d\n%s" % (len(text), text) for text in raw)).splitlines()
        for (text, ids), line in zip(cases, lines, strict=True):
            self.assertEqual([int(id) for id in line.split()], ids, repr(text))

    def test_tables_are_those_of_tokenizer_json(self):
        self.assertTrue(probe("tables", self.file) == probe("tables", self.folder / "tokenizer.json"))


if __name__ == "__main__":
    unittest.main()
