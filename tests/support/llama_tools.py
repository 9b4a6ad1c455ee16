"""llama.cpp's own tools: the references that GGUF output is compared with.

The converter is not packaged. LLAMA_CPP_SRC names the llama.cpp tree in an unpacked llama-cpp-python sdist, which has it
in vendor/llama.cpp. The quantiser and the model loader are in that package itself.
"""
import ctypes
import importlib
import os
import sys
from pathlib import Path

import pytest

SRC = Path(os.environ.get("LLAMA_CPP_SRC", ""))
# enum llama_ftype
FILE_TYPES = dict(q4_0=2, q4_1=3, q5_0=8, q5_1=9, q2_k=10, q3_k_s=11, q3_k_m=12, q3_k_l=13, q4_k_s=14, q4_k_m=15,
                  q5_k_s=16, q5_k_m=17, q6_k=18)

needs_converter = pytest.mark.skipif(not (SRC / "convert_hf_to_gguf.py").is_file(),
                                     reason="LLAMA_CPP_SRC names no llama.cpp tree")


def import_converter():
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    sys.path[:0] = [path for path in (str(SRC), str(SRC / "gguf-py")) if path not in sys.path]
    return importlib.import_module("convert_hf_to_gguf"), importlib.import_module("conversion.base")


def reference_convert(model_dir: Path, output: Path, outtype: str, pre: str | None = None) -> Path:
    """convert_hf_to_gguf.py. It knows pre-tokenizers by a hash of real vocabularies' ids, so for a tiny one `pre` says it."""
    converter, base = import_converter()
    detect = base.TextModel.get_vocab_base_pre
    if pre is not None:
        base.TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    argv = sys.argv
    sys.argv = ["convert_hf_to_gguf.py", str(model_dir), "--outfile", str(output), "--outtype", outtype]
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


def read_gguf(path: Path) -> tuple[dict, dict]:
    """Keys -> (value types, value) and tensors -> (type, shape, bytes)."""
    import_converter()
    from gguf import GGUFReader
    reader = GGUFReader(path)
    keys = {name: (tuple(field.types), field.contents()) for name, field in reader.fields.items()
            if not name.startswith("GGUF.")}
    tensors = {t.name: (t.tensor_type.name, tuple(int(n) for n in t.shape), t.data.tobytes()) for t in reader.tensors}
    return keys, tensors


def assert_same_gguf(ours: Path, reference: Path, ignore: tuple[str, ...] = ()) -> None:
    """Order aside, keys with their types and values, and tensors with their bytes, are the same."""
    (our_keys, our_tensors), (keys, tensors) = read_gguf(ours), read_gguf(reference)
    for name in ignore:
        our_keys.pop(name, None), keys.pop(name, None)
    assert our_keys == keys
    assert our_tensors.keys() == tensors.keys()
    differing = [name for name in tensors if our_tensors[name] != tensors[name]]
    assert not differing, {name: (our_tensors[name][:2], tensors[name][:2]) for name in differing}
