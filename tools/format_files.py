"""The release as files of every format and type of numbers, and what the numbers of each file are. See judge_formats.py.

Files are written by the programs that such files come from: the onnx package (make_onnx.py, whose shapes are those of the
public release), the gguf package, safetensors, and llama.cpp's own quantiser where the gguf package cannot (Q4_K and the like).
"""
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import safetensors.numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/gguf")]
import gguf  # noqa: E402
import gguf_files  # noqa: E402
import make_onnx  # noqa: E402
from onnx_quantizers import affine, blocks, rounded_blocks, to_bf16  # noqa: E402

DENSE = [f"{number}_Dense.linear.weight" for number in (2, 3)]
MATRICES = "embed_tokens", "_proj", "linear.weight"
SHARDS = 3
# Run in a Python that has llama-cpp-python.
QUANTISE = """
import ctypes, sys, llama_cpp
source, target, kind = sys.argv[1:]
params = llama_cpp.llama_model_quantize_default_params()
params.ftype, params.nthread = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + kind), 2
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))
"""


def load(folder):
    """name -> tensor of the safetensors release, the dense layers under 2_Dense.linear.weight and 3_Dense..."""
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    for name in DENSE:
        tensors[name] = safetensors.numpy.load_file(folder / name.split(".")[0] / "model.safetensors")["linear.weight"]
    return tensors


def is_matrix(name):
    return any(part in name for part in MATRICES)


class Files:
    """Files of one kind. Each of_... returns (the file, name -> its numbers, a file of the judge or None).

    The judge's file has the same numbers, and ONNX Runtime computes with them in fp32; None if judge() has to make it, or if
    none is wanted (`judged`).
    """

    def __init__(self, gemvec, release, folder, llama, judged=True):
        self.gemvec, self.release, self.folder, self.llama, self.judged = gemvec, release, folder, llama, judged

    def model_folder(self, name):
        """The release's small files in a folder of their own."""
        folder = self.folder / name
        folder.mkdir()
        for path in self.release.iterdir():
            if path.is_file() and path.suffix in (".json", ".model") and not path.name.endswith(".index.json"):
                shutil.copy(path, folder)
        shutil.copytree(self.release / "1_Pooling", folder / "1_Pooling")
        return folder

    def safetensors(self, name, tensors, shards=1):
        folder = self.model_folder(name)
        main = {key: array for key, array in tensors.items() if key not in DENSE}
        if shards == 1:
            safetensors.numpy.save_file(main, folder / "model.safetensors")
        else:
            self.sharded(folder, main, shards)
        for key in DENSE:
            place = folder / key.split(".")[0]
            place.mkdir()
            shutil.copy(self.release / place.name / "config.json", place)
            safetensors.numpy.save_file({"linear.weight": tensors[key]}, place / "model.safetensors")
        return folder

    @staticmethod
    def sharded(folder, tensors, shards):
        """As transformers writes them: model-00001-of-00003.safetensors, and an index."""
        names = sorted(tensors)
        files = {name: f"model-{1 + i * shards // len(names):05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
        for file in set(files.values()):
            part = {name: tensors[name] for name in names if files[name] == file}
            safetensors.numpy.save_file(part, folder / file, {"format": "pt"})
        total = sum(array.nbytes for array in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": files}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    def onnx(self, name, source, shape, **options):
        folder = self.model_folder(name)
        (folder / "onnx").mkdir()
        make_onnx.save(make_onnx.make(source, make_onnx.SHAPES[shape], **options), folder / "onnx/model.onnx")
        return folder / "onnx/model.onnx"

    def judge(self, folder):
        """An fp32 ONNX file of a safetensors folder's numbers."""
        return self.onnx("judge", folder, "fused")

    def of_safetensors(self, kind):
        tensors = load(self.release)
        if kind == "fp32":
            return self.release, tensors, None
        if kind == "sharded":
            return self.safetensors("model", tensors, SHARDS), tensors, None
        if kind == "bf16":
            tensors = {name: to_bf16(array) for name, array in tensors.items()}
            return self.stored_as_bf16(tensors), tensors, None
        tensors = {name: array.astype(np.float16) for name, array in tensors.items()}
        meant = {name: array.astype(np.float32) for name, array in tensors.items()}
        return self.safetensors("model", tensors), meant, None

    def stored_as_bf16(self, tensors):
        """NumPy has no bf16: by gemvec, which only cuts off the zeros."""
        folder = self.safetensors("fp32", tensors)
        self.convert(folder, self.folder / "model", "bf16")
        shutil.rmtree(folder)
        return self.folder / "model"

    def convert(self, source, target, numbers):
        subprocess.run([self.gemvec, "convert", source, target, "--numbers", numbers], check=True, stdout=subprocess.DEVNULL)

    def of_onnx(self, name):
        rounded = name in ("fused", "plain")
        file = self.onnx("model", self.release, name, round_bf16=rounded)
        tensors = {key: to_bf16(array) if rounded else array for key, array in load(self.release).items()}
        shape = make_onnx.SHAPES[name]
        meant = {key: decoded(array, shape.table if key.startswith("embed") else shape.linear) if is_matrix(key) else array
                 for key, array in tensors.items()}  # fmt: skip
        meant = with_one_added(meant)
        # Where ONNX Runtime's own arithmetic is not fp32, the shape with the same numbers whose arithmetic is.
        same = {"q8-dynamic": "q8-dequantize", "q8-dynamic-channel": "q8-dequantize-channel", "q4f16": "q4f16-float"}
        if name in same and self.judged:
            return file, meant, self.onnx("judge", self.release, same[name])
        # As a product of all 262144 rows, the table would take ONNX Runtime an hour.
        return file, meant, None if name == "q4-no-gather" else file

    def of_gguf(self, kind):
        kind = gguf.GGMLQuantizationType[kind]
        tensors, path = load(self.release), self.folder / "model.gguf"
        writer = gguf.GGUFWriter(path, "gemma-embedding")
        config = json.loads((self.release / "config.json").read_text())
        gguf_files.write_keys(writer, config, [tensors[name].shape for name in DENSE])
        tokenizer = json.loads((self.release / "tokenizer.json").read_text())
        gguf_files.write_vocabulary(writer, *gguf_files.vocabulary_of(tokenizer))
        for index, (name, array) in enumerate(tensors.items()):
            tensors[name] = gguf_files.add_tensor(writer, gguf_name(name), array, kind, index)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path, with_one_added(tensors), None

    def of_llama(self, kind):
        """llama.cpp's mixture of this name, of gemvec's F32 file."""
        source, path = self.folder / "f32.gguf", self.folder / "model.gguf"
        self.convert(self.release, source, "fp32")
        done = subprocess.run([self.llama, "-c", QUANTISE, source, path, kind], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{self.llama} could not quantise: {done.stderr[-2000:]}")
        source.unlink()
        return path, numbers_of_gguf(path, load(self.release)), None


def gguf_name(name):
    return f"dense_{name[0]}.weight" if name in DENSE else gguf_files.gguf_name(name)


def with_one_added(meant):
    """What is left of norms in a file that has 1 + w: their last bits are lost, and decide now and then how w is rounded."""
    one = np.float32(1)
    return {name: array if is_matrix(name) else (array + one) - one for name, array in meant.items()}


def numbers_of_gguf(path, tensors):
    """What the gguf package says that the file holds, by the release's names. Norms must be those of `tensors`, plus 1.

    A file that comes from `gemvec convert` has the norms themselves as well, and llama.cpp's quantiser keeps them.
    """
    reader = gguf.GGUFReader(path)
    found = {tensor.name: tensor for tensor in reader.tensors}
    meant = {}
    for name, array in tensors.items():
        tensor = found[gguf_name(name)]
        numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(array.shape)
        if not is_matrix(name):
            assert np.array_equal(numbers, array + np.float32(1)), name
            numbers = array
        meant[name] = np.ascontiguousarray(numbers, np.float32)
    return meant if "gemvec.norm_weights" in reader.fields else with_one_added(meant)


def decoded(w, style):
    """What Weights of make_onnx.py puts into a file in this style means: w [out, in], or a table [vocab, width]."""
    if style in ("matmul", "gather"):
        return w
    if style.startswith("cast-float16"):
        return w.astype(np.float16).astype(np.float32)
    if style in ("gather-dequantize", "dequantize-gather"):
        return of_affine(*affine(w, signed=False, axis=None))
    if style.startswith("d"):
        channel = style.endswith("-channel")
        return np.ascontiguousarray(of_affine(*affine(w.T, signed=channel, axis=0 if channel else None)).T)
    if style == "one-hot":
        return np.ascontiguousarray(of_blocks(w.T, "blocks4").T)
    return of_blocks(w, style)


def of_affine(codes, scale, zero):
    return (codes.astype(np.float32) - zero.astype(np.float32)) * scale


def of_blocks(w, style):
    bits = 8 if style in ("blocks8", "blocks-uint8x8") else 4
    codes, scales, zeros = blocks(w, bits, make_onnx.BLOCK, zero_points=style.endswith(("-zeros", "-uint4")))
    if style.endswith("-float16"):
        codes, scales = rounded_blocks(w, bits, make_onnx.BLOCK)
    middle = np.float32(2 ** (bits - 1)) if zeros is None else zeros.astype(np.float32)[..., None]
    values = (codes.reshape(len(w), -1, make_onnx.BLOCK).astype(np.float32) - middle) * scales[..., None]
    return np.ascontiguousarray(values.reshape(len(w), -1)[:, : w.shape[1]])


def kinds_of(prefix, maker, names, plain=()):
    return {f"{prefix} {name}": (maker, name, "float" if name in plain else "codes") for name in names}


# Name -> how it is made, of what, and whether its numbers are codes.
SAFETENSORS, PLAIN_ONNX, PLAIN_GGUF = ("fp32", "sharded", "bf16", "fp16"), ("fused", "plain", "fp16"), ("F32", "F16", "BF16")
KINDS = {
    **kinds_of("safetensors", "of_safetensors", SAFETENSORS, SAFETENSORS),
    **kinds_of("onnx", "of_onnx", (*PLAIN_ONNX, "q8-dynamic", "q8-dynamic-channel", "q8-blocks", "q4", "q4-uint4", "q4-uint8",
                                   "q4-no-gather", "q4f16"), PLAIN_ONNX),
    **kinds_of("gguf", "of_gguf", (*PLAIN_GGUF, "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"), PLAIN_GGUF),
    **kinds_of("llama.cpp", "of_llama", ("Q8_0", "Q4_0", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_XS")),
}  # fmt: skip
