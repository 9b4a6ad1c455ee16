"""Settings of every model that has a GGUF form, derived from transformers' config classes: each boolean turned round, each
number moved, activations, windows, kinds of layers, ropes, heads of their own, tied and untied.

A setting is a small random model with it, in f32 and with weights large enough that what a setting changes shows in the
logits of IDS, which are longer than windows and scaled ropes.
"""
import dataclasses
import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from gguf_models import GEMMA, GRANITE, MLA, MOE, SIZES
from tiny_tokenizer import save_sentencepiece, tiny_tokenizer

IDS = [(7 * i * i + 3 * i + 11) % 390 for i in range(96)]
POSITIONS, ORIGINAL, WINDOW = 256, 32, 8  # llama.cpp rounds what is less up to 256

BASES = {
    "Llama": {}, "Mistral": {}, "Mixtral": dict(num_local_experts=4), "Qwen2": {}, "Qwen3": dict(head_dim=16),
    "Qwen2Moe": MOE | dict(shared_expert_intermediate_size=48), "Qwen3Moe": MOE | dict(head_dim=16, norm_topk_prob=True),
    "Gemma": GEMMA | dict(head_dim=16), "Gemma2": GEMMA | dict(sliding_window=WINDOW),
    "Gemma3Text": GEMMA | dict(sliding_window=WINDOW, num_hidden_layers=7), "Phi3": {}, "Olmo2": {},
    "Olmo3": dict(num_hidden_layers=4, sliding_window=WINDOW), "Starcoder2": {}, "SmolLM3": dict(num_hidden_layers=4),
    "Granite": GRANITE, "GraniteMoe": GRANITE | dict(num_local_experts=4),
    "GraniteMoeShared": GRANITE | dict(num_local_experts=4, shared_intermediate_size=32), "Glm4": dict(head_dim=16),
    "StableLm": {}, "Cohere": dict(logit_scale=0.25), "DeepseekV2": MLA | dict(num_hidden_layers=3),
    "DeepseekV3": MLA | dict(n_group=2, topk_group=1),
    "GptOss": dict(head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=WINDOW,
                   rope_parameters=dict(rope_type="default", rope_theta=150000.0)),
    "GPT2": dict(n_embd=64, n_layer=2, n_head=4, n_positions=POSITIONS),
}
SENTENCEPIECE = {"Gemma", "Gemma2", "Gemma3Text", "Phi3"}
# Of sizes, training and tokens: the logits of a saved model do not depend on them, or the rules of shapes see to them.
NOT_SETTINGS = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "n_embd",
                "n_layer", "n_head", "n_positions", "n_inner", "max_position_embeddings", "initializer_range", "use_cache",
                "moe_intermediate_size", "num_experts", "num_local_experts", "n_routed_experts", "kv_lora_rank",
                "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "shared_expert_intermediate_size",
                "output_router_logits", "router_aux_loss_coef", "router_jitter_noise", "pretraining_tp",
                "original_max_position_embeddings", "add_cross_attention", "max_window_layers"}
ACTIVATIONS = ["silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "relu2"]
# What a setting shows in, when it is not itself.
RELATED = dict(head_dim=("query_pre_attn_scalar",), layer_types=("sliding_window",), no_rope_layer_interval=("no_rope_layers",))
PERIODS = [[1] * 8, [0] * 8, [1, 0] * 4, [0, 1, 1, 1] * 2]
LLAMA3 = dict(factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=ORIGINAL)
YARN = dict(factor=4.0, original_max_position_embeddings=ORIGINAL)


@dataclass(frozen=True)
class Setting:
    kind: str
    name: str
    config: dict = field(default_factory=dict)
    edit: dict = field(default_factory=dict)  # of the config.json that is saved; None takes a field out
    fields: tuple = ()  # one of them must be in the warning

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.name}"

    @property
    def layers(self) -> int:
        return self.config.get("num_hidden_layers", 0)

    @property
    def is_rounded(self) -> bool:
        """Of few dimensions, yarn's range can come out the same."""
        return "beta_" in self.name or "truncate" in self.name


def base_of(kind: str) -> dict:
    return SIZES | dict(max_position_embeddings=POSITIONS, pad_token_id=0) | BASES[kind]


def config_class(kind: str):
    return getattr(transformers, f"{kind}Config")


def own_fields(kind: str) -> dict:
    """The fields of the class itself and their defaults."""
    common = {f.name for f in dataclasses.fields(transformers.PreTrainedConfig)} - {"tie_word_embeddings"}
    return {f.name: f.default for f in dataclasses.fields(config_class(kind))
            if f.name not in common | NOT_SETTINGS and not f.name.endswith(("_token_id", "_dropout", "_pdrop"))
            and not f.name.startswith("summary_")}


def layers_of(kind: str) -> int:
    return base_of(kind)["num_hidden_layers"]


def ropes(head_dim: int) -> dict[str, dict]:
    factors = [1.0 + i / 4 for i in range(head_dim // 2)]
    long = dict(long_factor=factors, short_factor=[1.0 + i / 30 for i in range(head_dim // 2)])
    return {
        "theta": dict(rope_type="default", rope_theta=777.0),
        "linear": dict(rope_type="linear", factor=3.0),
        "dynamic": dict(rope_type="dynamic", factor=3.0),
        "yarn": dict(rope_type="yarn") | YARN,
        "yarn-no-original": dict(rope_type="yarn", factor=4.0),
        "yarn-attention_factor": dict(rope_type="yarn", attention_factor=1.7) | YARN,
        "yarn-beta_fast": dict(rope_type="yarn", beta_fast=1.25) | YARN,
        "yarn-beta_slow": dict(rope_type="yarn", beta_slow=3.0) | YARN,
        "yarn-mscale": dict(rope_type="yarn", mscale=0.7, mscale_all_dim=1.3) | YARN,
        "yarn-mscale_same": dict(rope_type="yarn", mscale=0.7, mscale_all_dim=0.7) | YARN,
        "yarn-mscale_alone": dict(rope_type="yarn", mscale=0.7) | YARN,
        "yarn-truncate": dict(rope_type="yarn", truncate=False) | YARN,
        "longrope": dict(rope_type="longrope", original_max_position_embeddings=ORIGINAL) | long,
        "longrope-factor": dict(rope_type="longrope", original_max_position_embeddings=ORIGINAL, factor=6.0) | long,
        "longrope-attention_factor": dict(rope_type="longrope", original_max_position_embeddings=ORIGINAL,
                                          attention_factor=1.4) | long,
        "longrope-short": dict(rope_type="longrope", original_max_position_embeddings=POSITIONS, factor=1.0) | long,
        "llama3": dict(rope_type="llama3") | LLAMA3,
        "llama3-theta": dict(rope_type="llama3", rope_theta=5e5) | LLAMA3,
        "partial": dict(rope_type="default", partial_rotary_factor=0.5),
        "partial-whole": dict(rope_type="default", partial_rotary_factor=1.0),
    }


def rope_settings(kind: str) -> list[Setting]:
    base = base_of(kind)
    head_dim = base.get("qk_rope_head_dim") or base.get("head_dim") or base["hidden_size"] // base["num_attention_heads"]
    settings = []
    for name, rope in ropes(head_dim).items():
        if kind in ("Gemma3Text", "Olmo3"):
            rope = dict(full_attention=rope, sliding_attention=dict(rope_type="default", rope_theta=1e4))
            rope["full_attention"].setdefault("rope_theta", 1e6)
            rope["sliding_attention"]["rope_theta"] = 1e4 if kind == "Gemma3Text" else rope["full_attention"]["rope_theta"]
        rope.setdefault("rope_theta", 10000.0) if "rope_type" in rope else None
        fields = ("rope", *rope, *rope.get("full_attention", {}), "rope_parameters.full_attention.rope_theta")
        config = dict(rope_parameters=rope)
        if name == "dynamic":  # it scales from there on
            config["max_position_embeddings"] = 2 * ORIGINAL
        settings.append(Setting(kind, f"rope-{name}", config, fields=fields))
        if "rope_type" in rope:  # as transformers 4 wrote it
            old = {k: v for k, v in rope.items() if k != "rope_theta"}
            edit = dict(rope_parameters=None, rope_theta=rope["rope_theta"])
            if rope["rope_type"] != "default":
                edit["rope_scaling"] = old
            elif "partial_rotary_factor" in rope:
                edit["partial_rotary_factor"] = rope["partial_rotary_factor"]
            # Without a rope_scaling gpt-oss has the yarn of its class, which does not truncate.
            of_class = ("truncate",) if kind == "GptOss" and "rope_scaling" not in edit else ()
            settings.append(Setting(kind, f"old_rope-{name}", config, edit, fields + of_class))
    return settings


def values_of(name: str, default, layers: int) -> list:
    """The values to try of a field that no other function knows."""
    if isinstance(default, bool) or name in ("use_bidirectional_attention",):
        return [not default]
    if name in ("hidden_act", "hidden_activation", "activation_function"):
        return [value for value in ACTIVATIONS if value != default]
    if name == "layer_types":
        return [["sliding_attention" if sliding else "full_attention" for sliding in period[:layers]] for period in PERIODS]
    if name == "no_rope_layers":
        return [period[:layers] for period in PERIODS]
    if name == "mlp_only_layers":
        return [[0], [layers - 1], list(range(layers))]
    known = dict(sliding_window=[None, WINDOW, 20, 4096], num_key_value_heads=[1, 4], head_dim=[32, 24],
                 decoder_sparse_step=[2], first_k_dense_replace=[0, 2, layers], q_lora_rank=[None, 24],
                 n_group=[1, 2, 4], topk_group=[1, 2], n_shared_experts=[1, 3], num_experts_per_tok=[1, 3, 4],
                 topk_method=["group_limited_greedy"], query_pre_attn_scalar=[16, 100], num_mtp_layers=[0, 2],
                 no_rope_layer_interval=[2, 3], shared_intermediate_size=[0, 48], final_logit_softcapping=[None, 3.0],
                 attn_logit_softcapping=[None, 3.0])
    if name in known:
        return known[name]
    return [default * 1.7] if isinstance(default, float) else []


def field_settings(kind: str) -> list[Setting]:
    settings = []
    for name, default in (own_fields(kind) | dict(head_dim=None)).items():
        for value in values_of(name, base_of(kind).get(name, default), layers_of(kind)):
            if base_of(kind).get(name, default) == value or (kind, name) == ("DeepseekV3", "num_experts_per_tok") and value > 2:
                continue  # more experts than the chosen groups have
            text = json.dumps(value).replace(" ", "").replace('"', "").replace("_attention", "")
            also = {"use_sliding_window": True} if name == "sliding_window" and "use_sliding_window" in own_fields(kind) else {}
            settings.append(Setting(kind, f"{name}={text}", {name: value} | also, fields=(name, *also, *RELATED.get(name, ()))))
    return settings


def combinations(kind: str) -> list[Setting]:
    """What works only together."""
    own, found = own_fields(kind), []
    def add(name, fields=(), **config):
        found.append(Setting(kind, name, config, fields=(*fields, *config)))
    if "use_sliding_window" in own:
        add("window_layers", use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1)
        add("window_unused", use_sliding_window=False, sliding_window=WINDOW)
    if "topk_method" in own:
        add("groups_of_v2", topk_method="group_limited_greedy", n_group=2, topk_group=1)
        add("all_groups_of_v2", topk_method="group_limited_greedy", n_group=2, topk_group=2)
    if "qk_layernorm" in own:
        add("qk_layernorm_parallel", qk_layernorm=True, use_parallel_residual=True)
    if kind.startswith("Deepseek"):
        add("lite_26", q_lora_rank=None, num_hidden_layers=26)
        add("lite_by_layers", num_hidden_layers=27)
        add("lite_27", q_lora_rank=None, num_hidden_layers=27)
    if kind in ("Gemma2", "Gemma3Text"):  # llama.cpp knows the largest by its layers
        layers = {"Gemma2": 46, "Gemma3Text": 62}[kind]
        add("largest", num_hidden_layers=layers, head_dim=32, query_pre_attn_scalar=16)
        add("largest_of_other_scale", num_hidden_layers=layers, head_dim=32, query_pre_attn_scalar=32)
    if kind == "GptOss":
        add("rope_of_the_class", fields=("truncate",), rope_parameters=None)
    if kind == "Cohere":
        add("layers_64", num_hidden_layers=64)
        add("layers_64_qk_norm", num_hidden_layers=64, use_qk_norm=True)
    if kind == "Olmo3":
        for name, full, local in (("larger_local_theta", 1e4, 5e5), ("larger_full_theta", 5e5, 1e4)):
            add(name, ("rope_parameters.full_attention.rope_theta", "rope_parameters.sliding_attention.rope_theta"),
                rope_parameters=dict(full_attention=dict(rope_type="default", rope_theta=full),
                                     sliding_attention=dict(rope_type="default", rope_theta=local)))
    if kind in ("Llama", "Mistral", "Qwen3"):
        add("head_dim_llama3", ("rope_type",), head_dim=32, rope_parameters=dict(rope_type="llama3", rope_theta=1e4) | LLAMA3)
    return found


def settings_of(kind: str) -> list[Setting]:
    ropes_too = rope_settings(kind) if "rope_parameters" in own_fields(kind) else []
    return [Setting(kind, "as_is"), *field_settings(kind), *combinations(kind), *ropes_too]


SETTINGS = {setting.id: setting for kind in BASES for setting in settings_of(kind)}
# What the tests try: every model as it is, and one of each thing that is refused, named in a warning or written otherwise.
CHOSEN = [name for name in SETTINGS if name.endswith("-as_is")] + [f"{kind}-{name}" for kind, names in {
    "Llama": ["hidden_act=relu", "head_dim_llama3", "rope-linear", "rope-dynamic", "rope-yarn-no-original", "rope-longrope",
              "rope-yarn-attention_factor", "rope-yarn-beta_fast", "rope-yarn-mscale", "rope-yarn-truncate"],
    "Mistral": ["sliding_window=8"],
    "Qwen2": ["window_layers", "window_unused", "head_dim=32", "rope-llama3"],
    "Qwen3": ["attention_bias=true", "rope-yarn-mscale_alone"],
    "Qwen2Moe": ["norm_topk_prob=true", "tie_word_embeddings=true"],
    "Qwen3Moe": ["norm_topk_prob=false", "mlp_only_layers=[0]", "decoder_sparse_step=2", "sliding_window=8"],
    "Gemma": ["tie_word_embeddings=false", "rope-theta", "rope-linear", "hidden_act=silu", "use_bidirectional_attention=true"],
    "Gemma2": ["query_pre_attn_scalar=100", "hidden_activation=relu", "layer_types=[full,full]", "layer_types=[full,sliding]",
               "largest", "largest_of_other_scale"],
    "Gemma3Text": ["query_pre_attn_scalar=100", "layer_types=[sliding,full,sliding,full,sliding,full,sliding]", "largest",
                   "layer_types=[full,full,full,full,full,full,full]", "largest_of_other_scale", "rope-linear",
                   "rope-yarn-attention_factor", "rope-yarn-mscale", "use_bidirectional_attention=true"],
    "Phi3": ["sliding_window=8", "rope-longrope", "rope-longrope-factor", "rope-longrope-attention_factor", "rope-partial"],
    "Olmo2": ["tie_word_embeddings=true", "head_dim=32"],
    "Olmo3": ["larger_local_theta", "larger_full_theta", "tie_word_embeddings=true", "layer_types=[full,full,full,full]", "rope-yarn"],
    "Starcoder2": ["sliding_window=8", "use_bias=false", "hidden_act=silu"],
    "SmolLM3": ["attention_bias=true", "mlp_bias=true", "no_rope_layer_interval=2", "rope-llama3"],
    "Granite": ["head_dim=32", "attention_bias=true"],
    "StableLm": ["tie_word_embeddings=true", "rope-theta", "qk_layernorm_parallel"],
    "Cohere": ["tie_word_embeddings=false", "use_qk_norm=true", "layers_64", "layers_64_qk_norm", "rope-linear"],
    "DeepseekV2": ["norm_topk_prob=true", "groups_of_v2", "all_groups_of_v2", "q_lora_rank=null", "lite_27", "lite_by_layers",
                   "rope-linear", "rope-yarn", "rope-yarn-mscale_same", "attention_bias=true", "mlp_bias=true"],
    "DeepseekV3": ["rope_interleave=false", "topk_group=2", "rope-yarn-mscale"],
    "GptOss": ["swiglu_limit=11.9", "swiglu_alpha=2.8933999999999997", "layer_types=[full,full]", "rope_of_the_class",
               "attention_bias=false", "tie_word_embeddings=true"],
    "GPT2": ["scale_attn_weights=false", "scale_attn_by_inverse_layer_idx=true", "activation_function=relu"],
}.items() for name in names]


def build(setting: Setting):
    config = config_class(setting.kind)(**base_of(setting.kind) | setting.config)
    name = setting.kind.removesuffix("Text")
    model_class = getattr(transformers, f"{name}ForCausalLM", None) or getattr(transformers, f"{name}LMHeadModel")
    torch.manual_seed(zlib.crc32(setting.kind.encode()))
    model = model_class._from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(zlib.crc32(setting.id.encode()))
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(parameter + 0.2 * noise if parameter.dim() == 1 else 0.2 * noise)
    return model.eval()


def save(setting: Setting, folder: Path) -> Path:
    """The directory of a model with this setting; raises what transformers says when there is none."""
    model = build(setting)
    model.save_pretrained(folder)
    if setting.kind in SENTENCEPIECE:
        save_sentencepiece(folder)
    else:
        tiny_tokenizer("<|user|>").save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text()) | setting.edit
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None or k not in setting.edit}))
    return folder


def logits(folder: Path):
    """As transformers computes them from the directory."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.tensor([IDS]), use_cache=False).logits[0].numpy()
