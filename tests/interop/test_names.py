"""`unshard names` says what a conversion does: the names of save_pretrained, of state_dict() and of the GGUF file."""
import json

import pytest
import torch
from conftest import convert, unshard
from tensors import read_tensors

KINDS = ["llama", "qwen2", "gpt_oss", "phi3", "gemma2"]


def names_of(*arguments) -> dict:
    done = unshard("names", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_those_of_the_files(kind, tiny, tmp_path):
    folder = tiny(kind)
    said = names_of(folder / "hf")
    saved = read_tensors(folder / "hf")
    assert said["sizes"] == "config.json"
    assert {item["hub"]: item["shape"] for item in said["tensors"]} == {n: list(t.shape) for n, t in saved.items()}
    runtime = torch.load(folder / "ckpt/model_world_size_1_rank_0.pt", weights_only=True).keys()
    tied = {"lm_head.weight"} if "lm_head.weight" not in saved else set()
    assert {name for item in said["tensors"] for name in item["runtime"]} == set(runtime) - tied
    output = convert(folder / "hf", tmp_path / "model.gguf", "--dtype", "f32")
    stored = {item["name"] for item in json.loads(unshard("inspect", output, "--json").out)["tensors"]}
    assert {name for item in said["tensors"] for name in item["gguf"]} == stored - {"rope_freqs.weight"}


def test_a_line_has_the_names_of_all_layers():
    said = unshard("names", "Qwen3MoeForCausalLM").out
    assert said.startswith("Qwen3MoeForCausalLM (qwen3_moe.toml): ") and "in the sizes that the class has by default" in said
    row = next(line.split() for line in said.splitlines() if ".input_layernorm." in line)
    assert row == ["model.layers.{0..23}.input_layernorm.weight", "same", "blk.{0..23}.attn_norm.weight", "(2048)", "x24"]
    assert len(unshard("names", "Qwen3MoeForCausalLM", "--all").out.splitlines()) == 3 + len(names_of("Qwen3MoeForCausalLM")["tensors"])


@pytest.mark.parametrize(("model", "words", "code"), [
    ("Qwen3MoeForCausalLN", "did you mean 'Qwen3MoeForCausalLM'?", 1), ("./nowhere", "no such file or directory", 2),
    ("", "MODEL is missing", 2)])
def test_what_is_no_model_is_named(model, words, code, tmp_path):
    done = unshard("names", *([model] if model else []))
    assert (done.code, done.out) == (code, "") and words in done.err
    assert "there is no config.json in it" in unshard("names", tmp_path).err
