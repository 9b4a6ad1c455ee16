"""GGUF files against those of llama.cpp's own converter and quantiser: the same keys, the same tensors, the same bytes."""
import re
import shutil
import subprocess
import sys
from functools import cache, reduce

import pytest
import torch
from conftest import TESTS, convert
from gguf_models import MODELS
from llama_tools import FILE_TYPES, assert_same_gguf, needs_converter, reference_convert, reference_quantize

pytestmark = needs_converter

CONVERTER_TYPES = ["f32", "f16", "bf16", "q8_0"]
REFERENCED = [name for name in MODELS if MODELS[name].has_reference]
WIDE = [name for name in MODELS if name.startswith("wide-")]
# One for each thing that becomes of tensors: copied, permuted, stacked, split, transposed, shifted.
SHARDED = {"llama3": "q8_0", "qwen2_moe": "bf16", "gemma3": "f16", "phi3-longrope": "q8_0", "deepseek_v3": "q8_0",
           "granitemoe-shared": "f32", "gpt_oss": "q8_0", "gpt2": "q8_0", "wide-mixtral": "q4_k_m"}


@pytest.fixture(scope="session")
def reference(tiny, tmp_path_factory):
    """What llama.cpp's tools make of a tiny model."""
    folder = tmp_path_factory.mktemp("reference")

    @cache
    def made(name: str, file_type: str, dtype: torch.dtype = torch.bfloat16):
        output = folder / f"{name}-{file_type}-{str(dtype).removeprefix('torch.')}.gguf"
        if file_type in FILE_TYPES:
            return reference_quantize(made(name, "f32" if dtype == torch.float32 else "bf16", dtype), output, file_type)
        return reference_convert(tiny(name, dtype) / "hf", output, file_type, pre="gpt-2")
    return made


def to_gguf(folder, output, file_type: str, *options):
    return convert(folder / "ckpt", output, "--assets", folder / "ckpt/hf", "--dtype", file_type, *options)


@pytest.mark.parametrize("file_type", CONVERTER_TYPES)
@pytest.mark.parametrize("name", REFERENCED)
def test_every_model_is_what_the_converter_writes(name, file_type, tiny, reference, tmp_path):
    assert_same_gguf(to_gguf(tiny(name), tmp_path / "out.gguf", file_type), reference(name, file_type))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["f32", "f16"])
@pytest.mark.parametrize("file_type", [*CONVERTER_TYPES, "auto"])
def test_checkpoints_of_other_types_are_what_the_converter_writes(dtype, file_type, tiny, reference, tmp_path):
    ours = to_gguf(tiny("llama3", dtype), tmp_path / "out.gguf", file_type)
    assert_same_gguf(ours, reference("llama3", file_type, dtype))


@pytest.mark.parametrize("file_type", FILE_TYPES)
@pytest.mark.parametrize("name", WIDE)
def test_every_mixture_is_what_the_quantiser_writes(name, file_type, tiny, reference, tmp_path):
    pytest.importorskip("llama_cpp")
    assert_same_gguf(to_gguf(tiny(name), tmp_path / "out.gguf", file_type), reference(name, file_type))


@pytest.fixture(scope="session")
def sharded(request, tmp_path_factory):
    """Model and kind of checkpoint -> what three ranks saved of its weights."""
    folder = tmp_path_factory.mktemp("sharded")
    subprocess.run([sys.executable, TESTS / "support/shard_gguf_models.py", folder, *SHARDED], check=True, timeout=300)
    return lambda name, kind: folder / name / kind


@pytest.mark.parametrize("kind", ["fsdp", "dcp"])
@pytest.mark.parametrize(("name", "file_type"), SHARDED.items())
def test_shards_of_many_ranks_make_the_same_file(name, file_type, kind, sharded, tiny, reference, tmp_path):
    ours = convert(sharded(name, kind), tmp_path / "out.gguf", "--assets", tiny(name) / "ckpt/hf", "--dtype", file_type)
    assert_same_gguf(ours, reference(name, file_type))


@pytest.mark.parametrize("name", ["fsdp-qwen3-4ranks", "dcp"])
def test_the_converter_makes_the_same_of_our_safetensors(name, checkpoint_dir, converted, tmp_path):
    hf = shutil.copytree(converted(name), tmp_path / "model")
    expected = reference_convert(hf, tmp_path / "reference.gguf", "q8_0", pre="gpt-2")
    ours = convert(checkpoint_dir(name) / "ckpt", tmp_path / "model.gguf", "--dtype", "q8_0")
    assert_same_gguf(ours, expected)


def test_the_files_behind_the_golden_hashes_are_those_of_llama_cpp(checkpoint_dir, converted, tmp_path):
    pytest.importorskip("llama_cpp")
    hf = shutil.copytree(converted("fsdp-qwen3-4ranks"), tmp_path / "model")
    source = reference_convert(hf, tmp_path / "bf16.gguf", "bf16", pre="gpt-2")
    golden = re.findall(r'Golden\{"(\w+)",\s*(0x\w+)\}', (TESTS / "cli/gguf_golden_test.cpp").read_text())
    hashes = {}
    for file_type, _ in golden:
        ours, reference = tmp_path / f"{file_type}/model.gguf", tmp_path / f"{file_type}.gguf"
        ours.parent.mkdir()
        convert(checkpoint_dir("fsdp-qwen3-4ranks") / "ckpt", ours, "--dtype", file_type)
        if file_type in FILE_TYPES:
            reference_quantize(source, reference, file_type)
        else:
            reference_convert(hf, reference, file_type, pre="gpt-2")
        assert_same_gguf(ours, reference)
        hashes[file_type] = reduce(lambda hash, byte: (hash ^ byte) * 0x100000001b3 % 2**64, ours.read_bytes(),
                                   0xcbf29ce484222325)
    assert {file_type: hex(hash) for file_type, hash in hashes.items()} == {name: hex(int(hash, 16)) for name, hash in golden}


@pytest.mark.parametrize("options", [("--threads", 1, "--tile-mib", 1), ("--threads", 7)], ids=["one", "seven"])
def test_threads_and_tiles_do_not_change_a_byte(options, tiny, tmp_path):
    first = to_gguf(tiny("wide-llama"), tmp_path / "first.gguf", "q4_k_m", "--set", "output.options.name=x")
    again = to_gguf(tiny("wide-llama"), tmp_path / "again.gguf", "q4_k_m", "--set", "output.options.name=x", *options)
    assert first.read_bytes() == again.read_bytes()
