"""Names and layouts of trainers, made from those of transformers: restated from the converters of torchtitan (the
state_dict_adapter of each model), OLMo-core (olmo_core/nn/hf/convert.py) and prime-rl (converting_*.py)."""
import re

import torch

LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")
EXPERT = re.compile(r"mlp\.experts\.(\d+)\.(gate|up|down)_proj\.weight")
W = {"gate": "w1", "down": "w2", "up": "w3"}

TITAN = {"self_attn.o_proj.weight": "attention.wo.weight", "self_attn.o_proj.bias": "attention.wo.bias",
         "self_attn.q_norm.weight": "attention.q_norm.weight", "self_attn.k_norm.weight": "attention.k_norm.weight",
         "self_attn.sinks": "attention.sinks", "input_layernorm.weight": "attention_norm.weight",
         "post_attention_layernorm.weight": "ffn_norm.weight", "mlp.gate.weight": "moe.router.gate.weight",
         "mlp.router.weight": "moe.router.gate.weight", "mlp.router.bias": "moe.router.gate.bias",
         "mlp.gate.e_score_correction_bias": "moe.expert_bias_E", "self_attn.q_a_proj.weight": "attention.wq_a.weight",
         "self_attn.q_a_layernorm.weight": "attention.q_norm.weight", "self_attn.q_b_proj.weight": "attention.wq_b.weight",
         "self_attn.kv_a_proj_with_mqa.weight": "attention.wkv_a.weight",
         "self_attn.kv_a_layernorm.weight": "attention.kv_norm.weight", "self_attn.kv_b_proj.weight": "attention.wkv_b.weight",
         **{f"mlp.{p}_proj.weight": f"feed_forward.{w}.weight" for p, w in W.items()},
         **{f"mlp.shared_experts.{p}_proj.weight": f"moe.shared_experts.{w}.weight" for p, w in W.items()}}


def pairs(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of each head from transformers' two halves to pairs of neighbours."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def stacked_experts(tensors: dict, rename) -> dict:
    """Tensors of single experts as one a layer; what `rename` says of (layer, w1 | w2 | w3)."""
    experts, others = {}, {}
    for name, tensor in tensors.items():
        layer = LAYER.fullmatch(name)
        expert = EXPERT.fullmatch(layer[2]) if layer else None
        if expert:
            experts.setdefault(rename(layer[1], W[expert[2]]), {})[int(expert[1])] = tensor
        else:
            others[name] = tensor
    return others | {name: torch.stack([parts[i] for i in range(len(parts))]) for name, parts in experts.items()}


def torchtitan(tensors: dict, config: dict, form: str) -> dict:
    """`form` is "old" (before April 2026), "new" (since July 2026) or "fused" (q, k, v and gate, up in one tensor each)."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    is_llama = config["architectures"] == ["LlamaForCausalLM"]
    inner = "experts" if form == "old" else "routed_experts.inner_experts"
    ends = {} if form == "old" else {"w1": "_EFD", "w2": "_EDF", "w3": "_EFD"}
    tensors = stacked_experts(tensors, lambda layer, w: f"layers.{layer}.moe.{inner}.{w}{ends.get(w, '')}")
    result = {}
    for name, tensor in tensors.items():
        layer = LAYER.fullmatch(name)
        top = {"model.embed_tokens.weight": "tok_embeddings.weight", "model.norm.weight": "norm.weight",
               "lm_head.weight": "output.weight" if form == "old" else "lm_head.weight"}
        if not layer:
            result[top.get(name, name)] = tensor
            continue
        front, rest = f"layers.{layer[1]}.", layer[2]
        projection = re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", rest)
        if projection:
            if is_llama and projection[1] != "v":
                tensor = pairs(tensor, heads if projection[1] == "q" else kv_heads)
            inside = "" if form == "old" else "qkv_linear."
            result[f"{front}attention.{inside}w{projection[1]}.{projection[2]}"] = tensor
        elif rest.startswith("mlp.experts."):  # gpt-oss: [experts, inputs, outputs] there
            which = "mlp1" if "gate_up" in rest else "mlp2"
            kind = "bias" if rest.endswith("_bias") else "weight"
            end = {"old": ""}.get(form, {"mlp1weight": "_EGD", "mlp2weight": "_EDF", "mlp1bias": "_EG",
                                         "mlp2bias": "_ED"}[which + kind])
            if kind == "weight":
                tensor = tensor.transpose(1, 2).contiguous()
            result[f"{front}moe.{inner}.{which}_{kind}{end}"] = tensor
        else:
            result[front + TITAN[rest]] = tensor
    return fused(result, heads // kv_heads, kv_heads) if form == "fused" else result


def fused(tensors: dict, group: int, kv_heads: int) -> dict:
    """For each key head: its query heads, the key head, the value head; gate and up along a dimension in front."""
    result = dict(tensors)
    for name in tensors:
        if ".qkv_linear.wq." in name:
            parts = [result.pop(name.replace(".wq.", f".w{letter}.")) for letter in "qkv"]
            views = [part.view(kv_heads, count, -1, *part.shape[1:]) for part, count in zip(parts, (group, 1, 1))]
            result[name.replace(".wq.", ".wqkv.")] = torch.cat(views, 1).reshape(-1, *parts[0].shape[1:])
        elif name.endswith("feed_forward.w1.weight"):
            parts = [result.pop(name.replace(".w1.", f".{w}.")) for w in ("w1", "w3")]
            result[name.replace(".w1.", ".w13.")] = torch.stack(parts)
    return result


def olmo_core(tensors: dict, config: dict, _form: str) -> dict:
    norms = {"post_attention_layernorm.weight": "attention_norm.weight",
             "post_feedforward_layernorm.weight": "feed_forward_norm.weight"}
    if config["architectures"] == ["Qwen3ForCausalLM"]:
        norms = {"input_layernorm.weight": "attention_norm.weight",
                 "post_attention_layernorm.weight": "feed_forward_norm.weight"}
    names = norms | {f"mlp.{p}_proj.weight": f"feed_forward.{w}.weight" for p, w in W.items()} | {
        f"self_attn.{p}_proj.weight": f"attention.w_{'out' if p == 'o' else p}.weight" for p in "qkvo"} | {
        f"self_attn.{p}_norm.weight": f"attention.{p}_norm.weight" for p in "qk"}
    top = {"model.embed_tokens.weight": "embeddings.weight", "model.norm.weight": "lm_head.norm.weight",
           "lm_head.weight": "lm_head.w_out.weight"}
    result = {}
    for name, tensor in tensors.items():
        layer = LAYER.fullmatch(name)
        result[f"blocks.{layer[1]}.{names[layer[2]]}" if layer else top[name]] = tensor
    return result


def prime_rl(tensors: dict, _config: dict, _form: str) -> dict:
    tensors = stacked_experts(tensors, lambda layer, w: f"model.layers.{layer}.mlp.experts.{w}")
    return {name.replace(".mlp.gate.weight", ".mlp.router.gate.weight"): tensor for name, tensor in tensors.items()}
