"""Names and shapes of tiny models, as transformers makes them: what configs/models/*.toml is tested against.

    python make_model_shapes.py tests/core/models/transformers_models.json

Each model is there twice: `memory` as state_dict() has it (what a training checkpoint holds), `disk` as save_pretrained
writes it (separate experts, published names).
"""
import json
import sys
import tempfile
from pathlib import Path

import transformers
from safetensors import safe_open

BASE = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "vocab_size": 96,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
MOE = {"num_experts": 2, "moe_intermediate_size": 20}
SHARED = {**MOE, "shared_expert_intermediate_size": 28}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
DEEPSEEK = {
    "num_key_value_heads": 4,
    "first_k_dense_replace": 1,
    "n_routed_experts": 2,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 20,
    "q_lora_rank": 12,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 6,
    "v_head_dim": 10,
}
MODELS = {
    "llama": ("Llama", {}),
    "llama, biases, own head size, tied": (
        "Llama",
        {"attention_bias": True, "mlp_bias": True, "head_dim": 12, "tie_word_embeddings": True},
    ),
    "llama, no grouped heads": ("Llama", {"num_key_value_heads": None}),
    "mistral": ("Mistral", {}),
    "mistral, own head size": ("Mistral", {"head_dim": 16}),
    "qwen2, tied": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {}),
    "qwen3, biases, own head size, tied": (
        "Qwen3",
        {"attention_bias": True, "head_dim": 16, "tie_word_embeddings": True},
    ),
    "qwen2_moe": ("Qwen2Moe", SHARED),
    "qwen2_moe, a dense layer, no biases": ("Qwen2Moe", {**SHARED, "mlp_only_layers": [1], "qkv_bias": False}),
    "qwen2_moe, every second layer dense": ("Qwen2Moe", {**SHARED, "decoder_sparse_step": 2}),
    "qwen3_moe": ("Qwen3Moe", MOE),
    "qwen3_moe, a dense layer, biases": (
        "Qwen3Moe",
        {**MOE, "mlp_only_layers": [0], "attention_bias": True, "head_dim": 16},
    ),
    "mixtral": ("Mixtral", {"num_local_experts": 2}),
    "gemma2": ("Gemma2", {}),
    "gemma2, biases, own head size": ("Gemma2", {"attention_bias": True, "head_dim": 8}),
    "gemma3": ("Gemma3", {}),
    "gemma3, untied": ("Gemma3", {"tie_word_embeddings": False}),
    "phi3": ("Phi3", {}),
    "phi3, tied": ("Phi3", {"tie_word_embeddings": True}),
    "gemma": ("Gemma", {}),
    "cohere, norms of q and k": ("Cohere", {"use_qk_norm": True}),
    "glm4": ("Glm4", {"head_dim": 8}),
    "gpt_oss": ("GptOss", {"num_local_experts": 2, "head_dim": 8}),
    "granite": ("Granite", {}),
    "granitemoe": ("GraniteMoe", {"num_local_experts": 2}),
    "granitemoe, shared expert": ("GraniteMoeShared", {"num_local_experts": 2, "shared_intermediate_size": 24}),
    "olmo2": ("Olmo2", {}),
    "olmo3": ("Olmo3", {}),
    "smollm3": ("SmolLM3", {}),
    "stablelm, norms of q and k": ("StableLm", {"qk_layernorm": True}),
    "starcoder2": ("Starcoder2", {}),
    "deepseek_v2": ("DeepseekV2", {**DEEPSEEK, "q_lora_rank": None}),
    "deepseek_v3": ("DeepseekV3", DEEPSEEK),
}


HEADED = ("Llama", "Qwen2", "Qwen3", "Qwen2Moe", "Gemma2", "StableLm")
HEADS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")


def make(family: str, settings: dict, head: str = "ForCausalLM"):
    cls = getattr(transformers, family + head)
    return cls(cls.config_class(**{**BASE, **settings}))


def other_heads():
    """Classes that put another head on one of the models above."""
    for family in HEADED:
        settings = {**(SHARED if family == "Qwen2Moe" else {}), "num_labels": 3, "tie_word_embeddings": False}
        for head in HEADS:
            if hasattr(transformers, family + head):
                yield family + head, make(family, settings, head)


def multimodal():
    config = transformers.Gemma3Config(text_config=BASE, vision_config=VISION, mm_tokens_per_image=4)
    return transformers.Gemma3ForConditionalGeneration(config)


def gpt2(cls: str = "GPT2LMHeadModel"):
    config = transformers.GPT2Config(n_layer=2, n_embd=32, n_head=4, n_positions=64, vocab_size=96)
    return getattr(transformers, cls)(config)


def described(model) -> dict:
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        config = json.loads((Path(directory) / "config.json").read_text())
        with safe_open(Path(directory) / "model.safetensors", "pt") as file:
            disk = {name: file.get_slice(name).get_shape() for name in file.keys()}
    memory = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    return {"config": config, "memory": memory, "disk": disk}


def main() -> None:
    models = {name: described(make(*what)) for name, what in MODELS.items()}
    models["gemma3, multimodal"] = described(multimodal())
    models["gpt2"] = described(gpt2())
    models |= {name: described(model) for name, model in other_heads()}
    for head in HEADS:
        models["GPT2" + head] = described(gpt2("GPT2" + head))
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(model)}" for name, model in models.items())
    Path(sys.argv[1]).write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
