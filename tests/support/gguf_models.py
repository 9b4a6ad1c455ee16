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
from tiny_tokenizer import save_sentencepiece, tiny_tokenizer

SIZES = dict(vocab_size=400, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64)


MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)
GEMMA = dict(head_dim=32, query_pre_attn_scalar=32, tie_word_embeddings=True)
GRANITE = dict(embedding_multiplier=2.0, attention_multiplier=0.3, residual_multiplier=0.5, logits_scaling=1.5)
MLA = dict(num_key_value_heads=4, q_lora_rank=24, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=24,
           n_routed_experts=4, n_shared_experts=2, num_experts_per_tok=2, moe_intermediate_size=32, first_k_dense_replace=1,
           num_hidden_layers=3)
# Rows of 256 for the types with blocks of 256, and of 480 for what is chosen where those do not fit.
WIDE = dict(hidden_size=256, intermediate_size=480, num_hidden_layers=8, num_attention_heads=8)
LONG_ROPE = dict(rope_type="longrope", rope_theta=10000.0, long_factor=[1.0 + i / 7 for i in range(8)],
                 short_factor=[1.0 + i / 50 for i in range(8)], original_max_position_embeddings=64)


@dataclass(frozen=True)
class TinyModel:
    kind: str  # of transformers' classes: KindConfig, KindForCausalLM
    config: dict = field(default_factory=dict)
    needs_sentencepiece: bool = False  # its GGUF form takes its tokens from tokenizer.model
    has_reference: bool = True  # False: llama.cpp's converter fails on it or writes what llama.cpp cannot load
    vision: dict = field(default_factory=dict)  # of a multimodal model: the settings of its image part
    published: dict = field(default_factory=dict)  # what published config.json files have and transformers 5 leaves out


MODELS = {
    "llama": TinyModel("Llama"),
    "llama3": TinyModel("Llama", dict(head_dim=16, rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True)),
    "llama-bias": TinyModel("Llama", dict(attention_bias=True, mlp_bias=True, rope_theta=1e6)),
    "mistral": TinyModel("Mistral", dict(head_dim=32)),
    "qwen2": TinyModel("Qwen2", dict(tie_word_embeddings=True)),
    "qwen2-yarn": TinyModel("Qwen2", dict(rope_parameters=dict(rope_type="yarn", rope_theta=1e6, factor=4.0,
                                                               original_max_position_embeddings=64))),
    "qwen3": TinyModel("Qwen3", dict(head_dim=32)),
    # rope_scaling added to what transformers 5 wrote; without a length; and files as transformers 4 wrote them.
    "qwen3-rope_scaling": TinyModel("Qwen3", dict(head_dim=32, rope_theta=1e6), published=dict(
        rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64))),
    "llama-yarn": TinyModel("Llama", published=dict(rope_scaling=dict(type="yarn", factor=4.0), max_position_embeddings=32)),
    "mixtral": TinyModel("Mixtral", dict(num_local_experts=4, num_experts_per_tok=2)),
    "qwen2_moe": TinyModel("Qwen2Moe", MOE | dict(shared_expert_intermediate_size=48)),
    "qwen2_moe-tied": TinyModel("Qwen2Moe", MOE | dict(shared_expert_intermediate_size=48, tie_word_embeddings=True),
                                has_reference=False),
    "qwen3_moe": TinyModel("Qwen3Moe", MOE | dict(head_dim=32, norm_topk_prob=True)),
    "gemma": TinyModel("Gemma", dict(head_dim=32), needs_sentencepiece=True),
    "gemma2": TinyModel("Gemma2", GEMMA | dict(sliding_window=64), needs_sentencepiece=True),
    "gemma3": TinyModel("Gemma3", GEMMA | dict(sliding_window=64, num_hidden_layers=7), needs_sentencepiece=True),
    "gemma3-scaled": TinyModel("Gemma3", GEMMA | dict(sliding_window=64, num_hidden_layers=7, rope_parameters=dict(
        full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
        sliding_attention=dict(rope_type="default", rope_theta=1e4))), needs_sentencepiece=True),
    "gemma3-old_word": TinyModel("Gemma3", GEMMA | dict(sliding_window=64, num_hidden_layers=7), needs_sentencepiece=True,
                                 published=dict(rope_parameters=None, layer_types=None, rope_theta=5e5, rope_local_base_freq=5e3,
                                                rope_scaling=dict(type="linear", factor=8.0))),
    "gemma3-multimodal": TinyModel("Gemma3", GEMMA | dict(sliding_window=64, num_hidden_layers=7), needs_sentencepiece=True,
                                   vision=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1,
                                               num_attention_heads=2, image_size=28, patch_size=14)),
    "phi3": TinyModel("Phi3", dict(pad_token_id=0), needs_sentencepiece=True),
    "phi3-longrope": TinyModel("Phi3", dict(pad_token_id=0, rope_parameters=LONG_ROPE), needs_sentencepiece=True),
    "olmo2": TinyModel("Olmo2"),
    "olmo3": TinyModel("Olmo3", dict(num_hidden_layers=4, sliding_window=64)),
    "olmo3-published": TinyModel("Olmo3", dict(num_hidden_layers=4, sliding_window=64), published=dict(
        rope_parameters=None, layer_types=None, rope_theta=5e5, rope_scaling=dict(
            rope_type="yarn", factor=8.0, attention_factor=1.2079441541679836, beta_fast=32.0, beta_slow=1.0, original_max_position_embeddings=32))),
    "starcoder2": TinyModel("Starcoder2", dict(tie_word_embeddings=True)),
    "smollm3": TinyModel("SmolLM3", dict(num_hidden_layers=4, pad_token_id=0)),
    "granite": TinyModel("Granite", GRANITE | dict(attention_bias=True)),
    "granitemoe": TinyModel("GraniteMoe", GRANITE | dict(num_local_experts=4, num_experts_per_tok=2)),
    "granitemoe-shared": TinyModel("GraniteMoeShared", GRANITE | dict(num_local_experts=4, num_experts_per_tok=2,
                                                                      shared_intermediate_size=32)),
    "glm4": TinyModel("Glm4", dict(head_dim=16, pad_token_id=0)),
    "stablelm": TinyModel("StableLm", dict(use_qkv_bias=True)),
    "stablelm-qk_norm": TinyModel("StableLm", dict(qk_layernorm=True, use_parallel_residual=True),
                                  has_reference=False),
    "cohere": TinyModel("Cohere", dict(logit_scale=0.25, pad_token_id=0)),
    "deepseek_v2": TinyModel("DeepseekV2", MLA | dict(topk_method="greedy", topk_group=None, n_group=None)),
    "deepseek_v2-lite": TinyModel("DeepseekV2", MLA | dict(q_lora_rank=None, num_hidden_layers=27, topk_method="greedy",
                                                           topk_group=None, n_group=None)),
    "deepseek_v3": TinyModel("DeepseekV3", MLA | dict(n_group=2, topk_group=1, norm_topk_prob=True, rope_parameters=dict(
        rope_type="yarn", rope_theta=1e4, factor=4.0, mscale=1.0, mscale_all_dim=1.0,
        original_max_position_embeddings=64)), published=dict(scoring_func="sigmoid")),
    "gpt_oss": TinyModel("GptOss", dict(head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=64)),
    "gpt2": TinyModel("GPT2", dict(n_embd=64, n_layer=2, n_head=4, n_positions=256), published=dict(n_ctx=256)),
    "wide-llama": TinyModel("Llama", WIDE),
    "wide-qwen2-tied": TinyModel("Qwen2", WIDE | dict(num_key_value_heads=4, tie_word_embeddings=True)),
    "wide-mixtral": TinyModel("Mixtral", WIDE | dict(intermediate_size=256, num_local_experts=8, num_experts_per_tok=2)),
    "wide-qwen3_moe": TinyModel("Qwen3Moe", WIDE | MOE | dict(head_dim=32, norm_topk_prob=True, moe_intermediate_size=256)),
    "wide-qwen2_moe": TinyModel("Qwen2Moe", WIDE | MOE | dict(moe_intermediate_size=256, shared_expert_intermediate_size=256)),
    "wide-phi3": TinyModel("Phi3", WIDE | dict(pad_token_id=0), needs_sentencepiece=True),
    "wide-gpt_oss": TinyModel("GptOss", WIDE | dict(intermediate_size=256, head_dim=32, num_local_experts=4,
                                                    num_experts_per_tok=2, sliding_window=64)),
}


def build(tiny: TinyModel) -> torch.nn.Module:
    if tiny.vision:
        config = getattr(transformers, f"{tiny.kind}Config")(
            text_config=SIZES | tiny.config, vision_config=tiny.vision, mm_tokens_per_image=4, image_token_index=397,
            boi_token_index=398, eoi_token_index=399)
        return getattr(transformers, f"{tiny.kind}ForConditionalGeneration")(config)
    config_class = getattr(transformers, f"{tiny.kind}TextConfig", None) or getattr(transformers, f"{tiny.kind}Config")
    model_class = getattr(transformers, f"{tiny.kind}ForCausalLM", None) or getattr(transformers, f"{tiny.kind}LMHeadModel")
    return model_class(config_class(**SIZES | tiny.config))


def make_model(name: str) -> torch.nn.Module:
    torch.manual_seed(len(name))
    model = build(MODELS[name])
    with torch.no_grad():
        for parameter in model.parameters():
            is_norm = parameter.dim() == 1
            noise = torch.randn(parameter.shape) * (0.1 if is_norm else 0.08)
            parameter.copy_(parameter + noise if is_norm else noise)
    return model.eval()


def save_model(name: str, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """folder/hf as save_pretrained makes it, folder/ckpt as an FSDP trainer on one rank does."""
    model = make_model(name).to(dtype)
    hf, ckpt = folder / "hf", folder / "ckpt"
    model.save_pretrained(hf)
    if MODELS[name].needs_sentencepiece:
        save_sentencepiece(hf)
    else:
        tiny_tokenizer("<|user|>").save_pretrained(hf)
    config = json.loads((hf / "config.json").read_text())
    (hf / "config.json").write_text(json.dumps(config | MODELS[name].published, indent=2))
    add_checkpoint(model.state_dict(), ckpt, hf)


def add_checkpoint(state: dict, ckpt: Path, hf: Path) -> None:
    shutil.copytree(hf, ckpt / "hf", ignore=shutil.ignore_patterns("*.safetensors*"))
    torch.save(state, ckpt / "model_world_size_1_rank_0.pt")
    (ckpt / "fsdp_config.json").write_text(json.dumps({"FSDP_version": 2, "world_size": 1}))
