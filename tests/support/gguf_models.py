"""Tiny random models of every architecture that has a GGUF form, each as a Hugging Face directory and as the FSDP
checkpoint that a trainer would have saved of it.

Norm weights are perturbed, heads outnumber key-value heads and no two sizes are alike, so that a wrong permutation, shift
or order of experts shows.
"""
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from tiny_tokenizer import tiny_tokenizer

SIZES = dict(vocab_size=400, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)


@dataclass(frozen=True)
class TinyModel:
    kind: str  # of transformers' classes: KindConfig, KindForCausalLM
    config: dict = field(default_factory=dict)


MODELS = {
    "llama": TinyModel("Llama"),
    "llama3": TinyModel("Llama", dict(head_dim=16, rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True)),
    "llama-bias": TinyModel("Llama", dict(attention_bias=True, mlp_bias=True, rope_theta=1e6)),
    "mistral": TinyModel("Mistral", dict(head_dim=32)),
    "qwen2": TinyModel("Qwen2", dict(tie_word_embeddings=True)),
    "qwen2-yarn": TinyModel("Qwen2", dict(rope_parameters=dict(rope_type="yarn", rope_theta=1e6, factor=4.0,
                                                               original_max_position_embeddings=64))),
    "qwen3": TinyModel("Qwen3", dict(head_dim=32)),
}


def make_model(name: str, **config) -> torch.nn.Module:
    tiny = MODELS[name]
    config_class = getattr(transformers, f"{tiny.kind}Config")
    torch.manual_seed(len(name))
    model = getattr(transformers, f"{tiny.kind}ForCausalLM")(config_class(**SIZES | tiny.config | config))
    with torch.no_grad():
        for parameter in model.parameters():
            is_norm = parameter.dim() == 1
            noise = torch.randn(parameter.shape) * (0.1 if is_norm else 0.08)
            parameter.copy_(parameter + noise if is_norm else noise)
    return model.eval()


def save_model(model: torch.nn.Module, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """folder/hf as save_pretrained makes it, folder/ckpt as an FSDP trainer on one rank does."""
    model = model.to(dtype)
    hf, ckpt = folder / "hf", folder / "ckpt"
    model.save_pretrained(hf)
    tiny_tokenizer().save_pretrained(hf)
    add_checkpoint(model.state_dict(), ckpt, hf)


def add_checkpoint(state: dict, ckpt: Path, hf: Path) -> None:
    shutil.copytree(hf, ckpt / "hf", ignore=shutil.ignore_patterns("*.safetensors*"))
    torch.save(state, ckpt / "model_world_size_1_rank_0.pt")
    (ckpt / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": 1}))
