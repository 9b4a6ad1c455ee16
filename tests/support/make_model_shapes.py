"""Names and shapes of tiny models, as transformers makes them: what configs/models/*.toml is tested against.

    python make_model_shapes.py tests/unit/models/transformers_models.json

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
}


def causal_lm(family: str, settings: dict):
    cls = getattr(transformers, family + "ForCausalLM")
    return cls(cls.config_class(**{**BASE, **settings}))


def multimodal():
    config = transformers.Gemma3Config(text_config=BASE, vision_config=VISION, mm_tokens_per_image=4)
    return transformers.Gemma3ForConditionalGeneration(config)


def described(model) -> dict:
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        config = json.loads((Path(directory) / "config.json").read_text())
        with safe_open(Path(directory) / "model.safetensors", "pt") as file:
            disk = {name: file.get_slice(name).get_shape() for name in file.keys()}
    memory = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    return {"config": config, "memory": memory, "disk": disk}


def main() -> None:
    models = {name: described(causal_lm(*what)) for name, what in MODELS.items()}
    models["gemma3, multimodal"] = described(multimodal())
    text = ",\n".join(f"{json.dumps(name)}: {json.dumps(model)}" for name, model in models.items())
    Path(sys.argv[1]).write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
