"""Whole GGUF files, byte for byte, against those of llama.cpp's own converter and quantiser."""
import json
import re
import shutil
import subprocess
import sys
from functools import cache, reduce
from pathlib import Path

import pytest
import torch
from conftest import TESTS, convert, unshard
from gguf_models import MODELS
from llama_tools import FILE_TYPES, assert_same_file, needs_converter, read_gguf, reference_convert, reference_quantize
from transformers import AutoModel

pytestmark = needs_converter

CONVERTER_TYPES = ["f32", "f16", "bf16", "q8_0"]
REFERENCED = [name for name in MODELS if MODELS[name].has_reference]
WIDE = [name for name in MODELS if name.startswith("wide-")]
# One for each thing that becomes of tensors: copied, permuted, stacked, split, transposed, shifted.
SHARDED = {"llama3": "q8_0", "qwen2_moe": "bf16", "gemma3": "f16", "phi3-longrope": "q8_0", "deepseek_v3": "q8_0",
           "granitemoe-shared": "f32", "gpt_oss": "q8_0", "gpt2": "q8_0", "wide-mixtral": "q4_k_m"}


NAMED = ("--model-name", "Qwen 3")  # as ours are, whose configuration lies in a directory called huggingface


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
    assert_same_file(to_gguf(tiny(name), tmp_path / "out.gguf", file_type), reference(name, file_type))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["f32", "f16"])
@pytest.mark.parametrize("file_type", [*CONVERTER_TYPES, "auto"])
def test_checkpoints_of_other_types_are_what_the_converter_writes(dtype, file_type, tiny, reference, tmp_path):
    ours = to_gguf(tiny("llama3", dtype), tmp_path / "out.gguf", file_type)
    assert_same_file(ours, reference("llama3", file_type, dtype))


@pytest.mark.parametrize("file_type", FILE_TYPES)
@pytest.mark.parametrize("name", WIDE)
def test_every_mixture_is_what_the_quantiser_writes(name, file_type, tiny, reference, tmp_path):
    pytest.importorskip("llama_cpp")
    assert_same_file(to_gguf(tiny(name), tmp_path / "out.gguf", file_type), reference(name, file_type))


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
    assert_same_file(ours, reference(name, file_type))


@pytest.mark.parametrize("name", ["fsdp-qwen3-4ranks", "dcp"])
def test_the_converter_makes_the_same_of_our_safetensors(name, checkpoint_dir, converted, tmp_path):
    hf = shutil.copytree(converted(name), tmp_path / "model")
    expected = reference_convert(hf, tmp_path / "reference.gguf", "q8_0", "gpt-2", *NAMED)
    ours = convert(checkpoint_dir(name) / "ckpt", tmp_path / "model.gguf", "--dtype", "q8_0", "--set", "output.options.name=Qwen 3")
    assert_same_file(ours, expected)


def test_the_files_behind_the_golden_hashes_are_those_of_llama_cpp(checkpoint_dir, converted, tmp_path):
    pytest.importorskip("llama_cpp")
    hf = shutil.copytree(converted("fsdp-qwen3-4ranks"), tmp_path / "model")
    source = reference_convert(hf, tmp_path / "bf16.gguf", "bf16", "gpt-2", *NAMED)
    golden = re.findall(r'Golden\{"(\w+)",\s*(0x\w+)\}', (TESTS / "cli/gguf_golden_test.cpp").read_text())
    hashes = {}
    for file_type, _ in golden:
        ours, reference = tmp_path / f"{file_type}/model.gguf", tmp_path / f"{file_type}.gguf"
        ours.parent.mkdir()
        convert(checkpoint_dir("fsdp-qwen3-4ranks") / "ckpt", ours, "--dtype", file_type)
        if file_type in FILE_TYPES:
            reference_quantize(source, reference, file_type)
        else:
            reference_convert(hf, reference, file_type, "gpt-2", *NAMED)
        assert_same_file(ours, reference)
        hashes[file_type] = reduce(lambda hash, byte: (hash ^ byte) * 0x100000001b3 % 2**64, ours.read_bytes(),
                                   0xcbf29ce484222325)
    assert {file_type: hex(hash) for file_type, hash in hashes.items()} == {name: hex(int(hash, 16)) for name, hash in golden}


def edited(folder: Path, name: str, change) -> None:
    """A JSON file, in the model's directory and beside the checkpoint."""
    for path in (folder / "hf" / name, folder / "ckpt/hf" / name):
        settings = json.loads(path.read_text())
        change(settings)
        path.write_text(json.dumps(settings))


def in_sequences(step: dict) -> dict:
    inner = {"type": "Sequence", "normalizers": [step]}
    return {"type": "Sequence", "normalizers": [{"type": "NFC"}, inner]}


TOKENIZER_CHANGES = {
    "roberta": {"post_processor": {"type": "RobertaProcessing", "sep": ["<|im_end|>", 303], "cls": ["<|im_start|>", 302],
                                   "trim_offsets": True, "add_prefix_space": False}},
    "nested normalizers": {"normalizer": in_sequences({"type": "Lowercase"})},
    "bert normalizer": {"normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                       "strip_accents": True, "lowercase": False}}}


@pytest.mark.parametrize("name", TOKENIZER_CHANGES)
def test_tokenizers_with_other_steps_are_what_the_converter_writes(name, tiny, tmp_path):
    folder = Path(shutil.copytree(tiny("llama"), tmp_path / "model"))
    edited(folder, "tokenizer.json", lambda tokenizer: tokenizer.update(TOKENIZER_CHANGES[name]))
    expected = reference_convert(folder / "hf", tmp_path / "reference.gguf", "bf16", pre="gpt-2")
    assert_same_file(to_gguf(folder, tmp_path / "out.gguf", "bf16"), expected)


def test_a_tokenizer_of_vocab_json_and_merges_txt_is_what_the_converter_writes(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny("qwen2"), tmp_path / "model"))
    model = json.loads((folder / "hf/tokenizer.json").read_text())["model"]
    for files in (folder / "hf", folder / "ckpt/hf"):
        (files / "tokenizer.json").unlink()
        (files / "vocab.json").write_text(json.dumps(model["vocab"]))
        (files / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))
    edited(folder, "tokenizer_config.json", lambda settings: settings.update(tokenizer_class="Qwen2Tokenizer"))
    expected = reference_convert(folder / "hf", tmp_path / "reference.gguf", "bf16", pre="qwen2")
    assert_same_file(to_gguf(folder, tmp_path / "out.gguf", "bf16"), expected)


@pytest.mark.parametrize("name", ["qwen2", "qwen3", "llama3"])
def test_a_class_that_fsdp2_has_renamed_makes_the_same_file(name, tiny, reference, tmp_path):
    folder = Path(shutil.copytree(tiny(name), tmp_path / "model"))
    edited(folder, "config.json", lambda config: config.update(architectures=["FSDP" + config["architectures"][0]]))
    assert_same_file(to_gguf(folder, tmp_path / "out.gguf", "bf16"), reference(name, "bf16"))


@pytest.mark.parametrize("name", ["qwen2", "qwen3", "llama"])
def test_a_model_without_a_head_is_what_the_converter_writes(name, tiny, reference, tmp_path):
    folder = Path(shutil.copytree(tiny(name), tmp_path / "model"))
    AutoModel.from_pretrained(folder / "hf").save_pretrained(folder / "hf")
    bare = json.loads((folder / "hf/config.json").read_text())
    assert bare["architectures"] == [MODELS[name].kind + "Model"]
    ours = convert(folder / "hf", tmp_path / "out.gguf", "--dtype", "bf16")
    assert_same_file(ours, reference_convert(folder / "hf", tmp_path / "reference.gguf", "bf16", pre="gpt-2"))
    tensors, whole = read_gguf(ours)[1], read_gguf(reference(name, "bf16"))[1]
    assert tensors == {tensor: value for tensor, value in whole.items() if tensor != "output.weight"}


def test_names_are_not_read_for_what_they_might_mean(tiny, tmp_path):
    """The one difference in general.*: the converter takes a size and a kind of tuning from the directory's name."""
    folder = Path(shutil.copytree(tiny("llama"), tmp_path / "tiny-mini-instruct"))
    (folder / "hf").rename(folder / "my-mini-instruct")
    (folder / "ckpt/hf").rename(folder / "ckpt/my-mini-instruct")
    expected = reference_convert(folder / "my-mini-instruct", tmp_path / "reference.gguf", "bf16", pre="gpt-2")
    ours = convert(folder / "ckpt", tmp_path / "out.gguf", "--assets", folder / "ckpt/my-mini-instruct", "--dtype", "bf16")
    our_keys, keys = read_gguf(ours)[0], read_gguf(expected)[0]
    assert {key for key in keys.keys() | our_keys.keys() if keys.get(key) != our_keys.get(key)} == {
        "general.size_label", "general.basename", "general.finetune"}


@pytest.mark.parametrize("name", ["qwen2_moe", "llama3", "phi3-longrope"], ids=["stacked", "generated", "split"])
def test_the_summary_counts_the_tensors_of_the_file(name, tiny, tmp_path):
    folder, output = tiny(name), tmp_path / "out.gguf"
    done = unshard("convert", folder / "ckpt", "-o", output, "--assets", folder / "ckpt/hf", "--json")
    _, tensors = read_gguf(output)
    assert json.loads(done.out)["outputs"][0]["tensors"] == len(tensors)


def test_the_file_does_not_depend_on_where_it_is_written(tiny, tmp_path):
    first, second = to_gguf(tiny("llama"), tmp_path / "a.gguf", "q8_0"), to_gguf(tiny("llama"), tmp_path / "b-7B.gguf", "q8_0")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("options", [("--threads", 1, "--tile-mib", 1), ("--threads", 7)], ids=["one", "seven"])
def test_threads_and_tiles_do_not_change_a_byte(options, tiny, tmp_path):
    first = to_gguf(tiny("wide-llama"), tmp_path / "first.gguf", "q4_k_m", "--set", "output.options.name=x")
    again = to_gguf(tiny("wide-llama"), tmp_path / "again.gguf", "q4_k_m", "--set", "output.options.name=x", *options)
    assert first.read_bytes() == again.read_bytes()
