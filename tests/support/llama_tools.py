"""llama.cpp's own tools: the references that GGUF output is compared with.

The converter is not packaged. LLAMA_CPP_SRC names the llama.cpp tree in an unpacked llama-cpp-python sdist, which has it
in vendor/llama.cpp. The quantiser and the model loader are in that package itself.
"""
import ctypes
import importlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SRC = Path(os.environ.get("LLAMA_CPP_SRC", ""))
# enum llama_ftype
FILE_TYPES = dict(q4_0=2, q4_1=3, q5_0=8, q5_1=9, q2_k=10, q3_k_s=11, q3_k_m=12, q3_k_l=13, q4_k_s=14, q4_k_m=15,
                  q5_k_s=16, q5_k_m=17, q6_k=18)

# Of enum gguf_type, whose 8 is a string and 9 an array.
VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

needs_converter = pytest.mark.skipif(not (SRC / "convert_hf_to_gguf.py").is_file(),
                                     reason="LLAMA_CPP_SRC names no llama.cpp tree")


def import_converter():
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    sys.path[:0] = [path for path in (str(SRC), str(SRC / "gguf-py")) if path not in sys.path]
    return importlib.import_module("convert_hf_to_gguf"), importlib.import_module("conversion.base")


def reference_convert(model_dir: Path, output: Path, outtype: str, pre: str | None = None, *options: str) -> Path:
    """convert_hf_to_gguf.py. It knows pre-tokenizers by a hash of real vocabularies' ids, so for a tiny one `pre` says it."""
    converter, base = import_converter()
    detect = base.TextModel.get_vocab_base_pre
    if pre is not None:
        base.TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    argv = sys.argv
    sys.argv = ["convert_hf_to_gguf.py", str(model_dir), "--outfile", str(output), "--outtype", outtype, *options]
    try:
        converter.main()
    finally:
        sys.argv = argv
        base.TextModel.get_vocab_base_pre = detect
    return output


def reference_quantize(source: Path, output: Path, file_type: str) -> Path:
    """llama-quantize."""
    import llama_cpp
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[file_type]
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(output).encode(), ctypes.byref(params)) == 0
    return output


def logits_script(ids: list[int]) -> str:
    """For run_llama; the cache in f32, so that nothing is rounded that transformers keeps."""
    return f"""
import sys, numpy as np
from llama_cpp import Llama
for line in sys.stdin:
    path, output = line.rstrip("\\n").split("\\t")
    model = Llama(path, n_ctx={max(64, len(ids))}, n_batch=128, n_threads=1, logits_all=True, type_k=0, type_v=0, verbose=False)
    model.eval({ids})
    np.save(output, np.array(model.scores[:{len(ids)}]))
"""


def run_llama(script: str, files: dict[str, Path]) -> dict[str, np.ndarray]:
    """What llama.cpp makes of each file; what it fails on is missing, for it aborts on what it does not like. The script gets
    a line for each file: its path, a tab, the output's path."""
    pending, results = dict(files), {}
    while pending:
        lines = "".join(f"{path}\t{path}.npy\n" for path in pending.values())
        done = subprocess.run([sys.executable, "-c", script], input=lines, capture_output=True, text=True, timeout=1800)
        for name, path in list(pending.items()):
            del pending[name]
            if not Path(f"{path}.npy").exists():
                print(f"llama.cpp fails on {path}: {done.stderr[-2000:]}")
                break
            results[name] = np.load(f"{path}.npy")
    return results


def lowest_cosine(ours: np.ndarray, expected: np.ndarray) -> float:
    """Over all tokens."""
    return ((ours * expected).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(expected, axis=1)).min()


def read_gguf(path: Path) -> tuple[dict, dict]:
    """Keys -> (value type, bytes or texts) and tensors -> (type, sizes, bytes). gguf-py takes seconds for a vocabulary."""
    file = path.read_bytes()
    at = 0

    def number(kind: str) -> int:
        nonlocal at
        at += struct.calcsize(kind)
        return struct.unpack_from(kind, file, at - struct.calcsize(kind))[0]

    def raw(count: int) -> bytes:
        nonlocal at
        at += count
        return file[at - count:at]

    def value(kind: int):
        if kind == 9:
            item, count = number("<I"), number("<Q")
            return item, [raw(number("<Q")) for _ in range(count)] if item == 8 else raw(VALUE_BYTES[item] * count)
        return raw(number("<Q")) if kind == 8 else raw(VALUE_BYTES[kind])

    assert raw(4) == b"GGUF" and number("<I") == 3
    tensor_count, key_count = number("<Q"), number("<Q")
    keys, infos = {}, []
    for _ in range(key_count):
        key, kind = raw(number("<Q")).decode(), number("<I")
        assert key not in keys
        keys[key] = (kind, value(kind))
    for _ in range(tensor_count):
        name = raw(number("<Q")).decode()
        sizes = tuple(number("<Q") for _ in range(number("<I")))
        infos.append((name, sizes, number("<I"), number("<Q")))
    data = -(-at // 32) * 32
    ends = [data + offset for *_, offset in infos[1:]] + [len(file)]
    return keys, {name: (kind, sizes, file[data + offset:end]) for (name, sizes, kind, offset), end in zip(infos, ends)}


def assert_same_gguf(ours: Path, reference: Path, ignore: tuple[str, ...] = ()) -> None:
    """Order aside, keys with their types and values, and tensors with their bytes, are the same."""
    (our_keys, our_tensors), (keys, tensors) = read_gguf(ours), read_gguf(reference)
    for name in ignore:
        our_keys.pop(name, None), keys.pop(name, None)
    assert our_keys == keys
    assert our_tensors.keys() == tensors.keys()
    differing = [name for name in tensors if our_tensors[name] != tensors[name]]
    assert not differing, {name: (our_tensors[name][:2], tensors[name][:2]) for name in differing}


def assert_same_file(ours: Path, reference: Path) -> None:
    """Byte for byte, as cmp compares; what differs is named."""
    if ours.read_bytes() == reference.read_bytes():
        return
    assert_same_gguf(ours, reference)
    for one, other in zip(read_gguf(ours), read_gguf(reference)):
        assert list(one) == list(other)
    assert False, "the same keys and tensors in the same order, but not the same bytes"
