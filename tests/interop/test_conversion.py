"""Checkpoints that PyTorch wrote become the tensors that it sharded, and models that transformers loads."""
import json
import os
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN, convert, unshard
from make_checkpoints import SCENARIOS
from tensors import assert_same_tensors, read_tensors
from transformers import AutoModelForCausalLM, AutoTokenizer

FIXTURES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
MADE = [scenario.name for scenario in SCENARIOS.values() if not scenario.needs_rules and not scenario.is_refused]
MODELS = [name for name in MADE if SCENARIOS[name].is_model]
MODELS += [name for name in FIXTURES if (GOLDEN / name / "ckpt/huggingface").exists() and "buffers" not in name]

# Ways of sharding of which the common script (concatenate rank files along dimension 0) and verl's merger get some wrong
# without a word, and refuse others.
GEOMETRIES = {
    "fsdp2_4ranks_qwen3": "one dimension, even",
    "fsdp2_7ranks_qwen3": "uneven, with empty shards",
    "fsdp2_12ranks_qwen2": "ten ranks or more: sorted as text, rank 10 comes before rank 2",
    "fsdp2_shard_dim1": "split along dimension 1",
    "fsdp2_buffers": "plain buffers, one of which sorts first, and integers",
    "hsdp2_2x2_qwen2": "replicas",
    "fsdp_tp": "two splits of one tensor, the inner one strided",
    "hsdp_tp": "three mesh dimensions, tensors on meshes of two",
    "fsdp1_4ranks_llama": "FSDP1 with a mesh",
    "fsdp1_sharded_tensor": "FSDP1 without one",
}


def test_every_geometry_that_other_tools_get_wrong_is_converted():
    assert GEOMETRIES.keys() <= set(MADE)


def load_model(folder: Path):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    return model.eval()


def logits(model) -> torch.Tensor:
    tokens = torch.arange(24).remainder(model.config.vocab_size).reshape(2, 12)
    with torch.no_grad():
        return model(tokens).logits


@pytest.mark.parametrize("name", MADE + FIXTURES)
def test_tensors_are_bit_equal_to_what_was_sharded(name, checkpoint_dir, converted):
    assert_same_tensors(read_tensors(converted(name)), read_tensors(checkpoint_dir(name) / "truth.safetensors"))


@pytest.mark.parametrize("name", MODELS)
def test_transformers_loads_the_output_and_computes_the_same_logits(name, checkpoint_dir, converted, tmp_path):
    (tmp_path / "config.json").write_bytes((checkpoint_dir(name) / "ckpt/huggingface/config.json").read_bytes())
    os.symlink(checkpoint_dir(name) / "truth.safetensors", tmp_path / "model.safetensors")
    expected = logits(load_model(tmp_path))
    assert expected.isfinite().all() and expected.std() > 0
    assert torch.equal(logits(load_model(converted(name))), expected)


@pytest.mark.parametrize("name", MODELS)
def test_assets_are_the_same_bytes(name, checkpoint_dir, converted):
    assets = checkpoint_dir(name) / "ckpt/huggingface"
    written = {file.name: file.read_bytes() for file in converted(name).iterdir() if file.suffix != ".safetensors"}
    assert written == {file.name: file.read_bytes() for file in assets.iterdir()}


@pytest.mark.parametrize("name", ["fsdp-qwen3-4ranks", "fsdp1_4ranks_llama"])
def test_the_tokenizer_loads_and_knows_its_chat_template(name, checkpoint_dir, converted):
    before = AutoTokenizer.from_pretrained(checkpoint_dir(name) / "ckpt/huggingface")
    after = AutoTokenizer.from_pretrained(converted(name))
    text = "the weight of a shard, é 好 <|im_end|>"
    chat = [{"role": "user", "content": text}]
    assert after(text).input_ids == before(text).input_ids
    assert after.apply_chat_template(chat, tokenize=False) == before.apply_chat_template(chat, tokenize=False)
    assert after.eos_token == "<|im_end|>"


def test_a_model_split_into_files_loads_and_its_index_counts_the_bytes(tmp_path):
    golden = GOLDEN / "fsdp-qwen3-4ranks"
    truth = read_tensors(golden / "truth.safetensors")
    output = convert(golden / "ckpt", tmp_path / "out", "--max-shard-size", "30KB")
    index = json.loads((output / "model.safetensors.index.json").read_text())
    files = sorted(file.name for file in output.glob("*.safetensors"))
    assert files == [f"model-{i + 1:05}-of-{len(files):05}.safetensors" for i in range(len(files))] and len(files) > 2
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in truth.values())
    assert index["weight_map"] == {name: file for file in files for name in read_tensors(output / file)}
    assert all(sum(tensor.nbytes for tensor in read_tensors(output / file).values()) <= 30_000 for file in files)
    assert_same_tensors(read_tensors(output), truth)
    load_model(output)


def test_a_tensor_larger_than_the_limit_gets_a_file_of_its_own(tmp_path):
    golden = GOLDEN / "fsdp-qwen3-4ranks"
    output = convert(golden / "ckpt", tmp_path / "out", "--max-shard-size", "4KB")
    truth = read_tensors(golden / "truth.safetensors")
    assert_same_tensors(read_tensors(output), truth)
    for file in output.glob("*.safetensors"):
        tensors = read_tensors(file)
        assert len(tensors) == 1 or sum(tensor.nbytes for tensor in tensors.values()) <= 4_000


def test_prefixes_that_are_taken_off_unasked_are_said(tmp_path):
    state = {name: torch.randn(3) for name in ("module.a", "module._orig_mod.b", "module.c._orig_mod.d")}
    checkpoint = tmp_path / "ckpt"
    checkpoint.mkdir()
    torch.save(state, checkpoint / "model_world_size_1_rank_0.pt")
    said = ["'_orig_mod.' was taken off 2 of 3 names", "'module.' was taken off 3 of 3 names"]
    done = unshard("convert", checkpoint, "-o", tmp_path / "as-text")
    assert done.code == 0 and all(f"\n  {line}\n" in done.out for line in said), done
    done = unshard("convert", checkpoint, "-o", tmp_path / "as-json", "--json")
    assert json.loads(done.out)["name_changes"] == said
    for output in ("as-text", "as-json"):
        assert_same_tensors(read_tensors(tmp_path / output), dict(zip(("a", "b", "c.d"), state.values())))
    kept = unshard("convert", checkpoint, "-o", tmp_path / "kept", "--set", "select.strip=[]", "--json")
    assert json.loads(kept.out)["name_changes"] == []
    assert_same_tensors(read_tensors(tmp_path / "kept"), state)
