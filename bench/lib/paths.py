"""Where things lie: this repository, and the folder where environments and model files of the peers are kept."""
import os
import pathlib

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
TEXTS = BENCH / "data" / "texts.json"
REQUIREMENTS = BENCH / "peers" / "requirements"
DOCS = ROOT / "docs" / "benchmarks"


def cache():
    """GEMVEC_CACHE, else XDG_CACHE_HOME/gemvec, else ~/.cache/gemvec: as gemvec itself; in it, the folder `bench`."""
    if os.environ.get("GEMVEC_CACHE"):
        base = pathlib.Path(os.environ["GEMVEC_CACHE"])
    else:
        base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gemvec"
    folder = base / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
