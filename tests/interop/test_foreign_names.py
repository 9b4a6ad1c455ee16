"""Checkpoints that renaming and dropping could make look like another model are refused by what they are."""
import json
import shutil

import pytest
import torch
from conftest import GOLDEN, convert, unshard
from safetensors.torch import save_file
from tensors import assert_same_tensors, read_tensors

WRAPPED = ["base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight",
           "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
           "base_model.model.lm_head.modules_to_save.default.weight"]
LLAMA = ["tok_embeddings.weight", "layers.0.attention.wq.weight", "layers.0.attention.wk.weight", "output.weight"]


def save(tmp_path, names, config=True):
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    save_file({name: torch.ones(4, 2) for name in names}, folder / "model.safetensors", metadata={"format": "pt"})
    if config:
        shutil.copy(GOLDEN / "fsdp-llama-1rank/ckpt/huggingface/config.json", folder)
    return folder


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize("options", [(), ("--assets", "none"), ("--drop", "lora_"), ("--allow-missing",)])
def test_adapters_beside_their_base_are_refused_as_lora(name, options, tmp_path, refusal):
    said = refusal(save(tmp_path, [name, "model.embed_tokens.weight"]), *options)
    assert "LoRA" in said and "merge_and_unload" in said and name in said and "--drop" not in said


def test_rank_files_of_lora_are_refused_as_lora(tmp_path, refusal):
    folder = tmp_path / "actor"
    folder.mkdir()
    torch.save({name: torch.ones(4, 2) for name in WRAPPED}, folder / "model_world_size_1_rank_0.pt")
    assert "LoRA" in refusal(folder)


def test_checkpoints_with_adapters_can_be_compared(tmp_path):
    folder = save(tmp_path, WRAPPED)
    assert unshard("diff", folder, folder).code == 0


RENAME = 'select.rename=[{from = "attention\\\\.w([qk])", to = "self_attn.\\\\1_proj"}]'


def test_llama_with_interleaved_rows_is_not_renamed(tmp_path, refusal):
    folder = save(tmp_path, LLAMA)
    for options in (["--names", "keep"], ["--set", RENAME], ["--assets", "none", "--set", RENAME]):
        said = refusal(folder, *options)
        assert "torchtitan" in said and "without --rename" in said and "--assets none" in said


def test_llama_with_interleaved_rows_keeps_names_and_rows_without_a_config(tmp_path):
    folder = save(tmp_path, LLAMA)
    output = convert(folder, tmp_path / "out", "--assets", "none")
    assert_same_tensors(read_tensors(output), read_tensors(folder / "model.safetensors"))


def test_torchtitans_models_with_transformers_order_of_rows_are_renamed(tmp_path):
    folder = save(tmp_path, [*LLAMA, "layers.0.attention.q_norm.weight"], config=False)
    output = convert(folder, tmp_path / "out", "--set", RENAME)
    assert "layers.0.self_attn.q_proj.weight" in read_tensors(output)
