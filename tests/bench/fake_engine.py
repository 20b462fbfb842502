# A worker whose engine computes nothing: what it does is chosen by the key "fake" of its settings.

import os
import sys

import support  # noqa: F401
from peers.protocol import serve


class Fake:
    def __init__(self, spec):
        self.kind = spec.get("fake", "good")
        if self.kind == "cannot-load":
            raise ValueError("no such file")
        print("a library's chatter on standard output")
        os.system("echo and that of a child")

    def embed(self, texts, batch):
        if self.kind == "crashes" and len(texts) > 1:
            os._exit(7)
        if self.kind == "raises" and len(texts) > 1:
            raise RuntimeError("out of luck")
        return [[float(len(t)), float(batch)] for t in texts], sum(map(len, texts))

    def facts(self):
        return {"version": "fake 1"}


if __name__ == "__main__":
    sys.exit(serve(Fake))
