"""Worker: the Python package gemvec, as a script uses it. Settings: "dtype". The protocol is bench/peers/protocol.py's."""
import sys

import gemvec

from peers.protocol import serve


class Package:
    def __init__(self, spec):
        self.model = gemvec.EmbeddingGemma(spec["model"], dtype=spec["dtype"], threads=spec["threads"])

    def embed(self, texts, batch):
        return self.model.encode(texts), 0

    def facts(self):
        return {"version": f"gemvec {gemvec.__version__}"}


if __name__ == "__main__":
    sys.exit(serve(Package))
