"""Settings of config.json by the hundred, in the forms in which published files, transformers 4 and 5 have them."""
import random

SIZES = dict(vocab_size=400, hidden_size=64, intermediate_size=96, num_hidden_layers=7, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256)
FACTORS = [1.0 + i / 7 for i in range(8)]
ROPES = [
    {},
    dict(rope_type="default"),
    dict(type="linear", factor=8.0),
    dict(rope_type="linear", factor=8.0),
    dict(type="dynamic", factor=2.0),
    dict(type="yarn", factor=4.0),
    dict(rope_type="yarn", factor=4.0, beta_fast=32.0, rope_theta=77777.0),
    dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64),
    dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64),
    dict(type="longrope", long_factor=FACTORS, short_factor=FACTORS),
    dict(type="su", long_factor=FACTORS, short_factor=FACTORS),
    dict(rope_type="default", rope_theta=5e5, partial_rotary_factor=0.5),
]
NESTED = [
    dict(full_attention=dict(rope_type="default", rope_theta=5e5), sliding_attention=dict(rope_type="default")),
    dict(full_attention=dict(rope_type="linear", factor=8.0), sliding_attention=None),
    dict(full_attention=dict(type="yarn", factor=8.0)),
]
AT_THE_ROOT = dict(rope_theta=[5e5, 25000], rope_local_base_freq=[4321.0], partial_rotary_factor=[0.5, 1.0],
                   original_max_position_embeddings=[32, 128], sliding_window_pattern=[2, 3], n_ctx=[128],
                   torch_dtype=["bfloat16"], dtype=["float16"], tie_word_embeddings=[True, False], layer_types=[None])


def changed_value(value, choose: random.Random):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return max(1, value // 2) if choose.random() < 0.5 else value + 1
    if isinstance(value, float):
        return value * 2 + 0.5
    return value


def rope_of(choose: random.Random, has_layer_types: bool) -> dict:
    result = {}
    if choose.random() < 0.5:
        result["rope_scaling"] = choose.choice([None, *ROPES])
    if choose.random() < 0.4:
        result["rope_parameters"] = choose.choice([None, *ROPES, *(NESTED * 3 if has_layer_types else [])])
    return result


def settings_of(defaults: dict, is_nested: bool, choose: random.Random) -> dict:
    """One config.json of a class with these fields: some given, some absent, some null, some that are no fields."""
    config = {name: value for name, value in SIZES.items() if choose.random() < 0.8}
    for name, value in defaults.items():
        if name in SIZES or name == "rope_parameters":
            continue
        if choose.random() < 0.15:
            config[name] = changed_value(value, choose)
        elif choose.random() < 0.05:
            config[name] = None
    for name, values in AT_THE_ROOT.items():
        if choose.random() < 0.15:
            config[name] = choose.choice(values)
    return config | rope_of(choose, is_nested)


def as_transformers_4(config: dict) -> dict:
    """What transformers 4 wrote where 5 writes rope_parameters and dtype."""
    result = {name: value for name, value in config.items() if name not in ("rope_parameters", "dtype")}
    rope = dict(config.get("rope_parameters") or {})
    if "dtype" in config:
        result["torch_dtype"] = config["dtype"]
    if "full_attention" in rope:
        local, rope = rope.get("sliding_attention") or {}, dict(rope["full_attention"])
        result["rope_local_base_freq"] = local.get("rope_theta", 10000.0)
    for name in ("rope_theta", "partial_rotary_factor"):
        if name in rope:
            result[name] = rope.pop(name)
    result["rope_scaling"] = None if rope.get("rope_type", "default") == "default" else rope
    return result
