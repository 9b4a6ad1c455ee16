"""llama.cpp's own tools, as the references that GGUF output is compared with.

LLAMA_CPP_SRC names the llama.cpp tree in an unpacked llama-cpp-python sdist: the converter is not packaged otherwise.
"""
import importlib
import os
import sys
from pathlib import Path

SRC = Path(os.environ.get("LLAMA_CPP_SRC", ""))
HAS_CONVERTER = (SRC / "convert_hf_to_gguf.py").is_file()


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


def read_gguf(path: Path) -> tuple[dict, dict]:
    """Keys -> (value types, value) and tensors -> (type, shape, bytes)."""
    import_converter()
    from gguf import GGUFReader
    reader = GGUFReader(path)
    keys = {name: (tuple(field.types), field.contents()) for name, field in reader.fields.items()
            if not name.startswith("GGUF.")}
    tensors = {t.name: (t.tensor_type.name, tuple(int(n) for n in t.shape), t.data.tobytes()) for t in reader.tensors}
    return keys, tensors
