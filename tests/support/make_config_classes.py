"""What transformers' configuration classes make of config.json: the facts that unshard applies to it.

    python make_config_classes.py configs/models/transformers/config-classes.json

Defaults and aliases are read from the classes. What their code does is found by trying: each rule below is one of a few
forms, and the form that explains every experiment with a class is written down. A class that does something else ends
the script; tests/interop/test_config.py compares the result, applied by unshard, with the classes themselves.
"""
import itertools
import json
import sys
from dataclasses import MISSING, fields
from pathlib import Path

import transformers
from transformers import (CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
                          MODEL_FOR_MULTIMODAL_LM_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, PreTrainedConfig)
from transformers.configuration_utils import _LEGACY_LAYER_TYPE_REMAP

# The classes behind the files in configs/models, by model_type.
MODEL_TYPES = ["cohere", "deepseek_v2", "deepseek_v3", "gemma", "gemma2", "gemma3_text", "glm4", "gpt2", "gpt_oss", "granite",
               "granitemoe", "granitemoeshared", "llama", "mistral", "mixtral", "olmo2", "olmo3", "phi3", "qwen2", "qwen2_moe",
               "qwen3", "qwen3_moe", "smollm3", "stablelm", "starcoder2"]
BASE = {field.name for field in fields(PreTrainedConfig)}
SIZES = [dict(hidden_size=48, num_attention_heads=6, num_hidden_layers=5, vocab_size=90),
         dict(hidden_size=64, num_attention_heads=4, num_hidden_layers=9, vocab_size=80)]
# A setting that is null, or always, becomes one of these.
MEANINGS = ["num_attention_heads", "hidden_size / num_attention_heads", "qk_rope_head_dim",
            "qk_nope_head_dim + qk_rope_head_dim"]
# A list of a value for each layer that config.json does not have: the second value where the expression holds.
PATTERNS = [(("full_attention", "sliding_attention"), condition) for condition in (
    "(layer + 1) % 2 != 0",
    "(layer + 1) % 4 != 0",
    "(layer + 1) % sliding_window_pattern != 0",
    "has_sliding_window and layer >= max_window_layers",
    "use_sliding_window and layer < max_window_layers and (layer + 1) % 2 != 0",
    "use_sliding_window and has_sliding_window and not layer in no_rope_layers",
)] + [((0, 1), "(layer + 1) % no_rope_layer_interval != 0")]
# What makes a sliding window another one than is given: a setting of this value, the condition for it; and what it becomes.
SWITCHES = [("use_sliding_window", False, "not use_sliding_window"),
            ("use_bidirectional_attention", True, "use_bidirectional_attention")]
WINDOWS = [None, 0, "sliding_window / 2 + 1"]
PATTERN_DEFAULTS = {"sliding_window_pattern": 6}  # of settings that are no fields of a class
ROPE_TYPES = ["linear", "dynamic", "yarn", "llama3", "longrope", "su"]
LOCAL_THETAS = ["rope_local_base_freq", "rope_theta", "local_rope_theta", "swa_rope_theta"]


def defaults_of(cls) -> dict:
    """By the names that the settings have in the end; an alias can be the name of the field."""
    return {cls.attribute_map.get(f.name, f.name): f.default if f.default is not MISSING else f.default_factory()
            for f in fields(cls)}


def made(cls, **settings) -> PreTrainedConfig:
    """The class's own view of these settings, without the checks of their types: transformers 4 had none."""
    checks = cls.__validators__, cls.__class_validators__
    cls.__validators__, cls.__class_validators__ = {}, []
    try:
        return cls(**json.loads(json.dumps(settings)))
    finally:
        cls.__validators__, cls.__class_validators__ = checks


def value_of(expression: str, config, layer: int = 0):
    names = {"layer": layer} | PATTERN_DEFAULTS | vars(config) | {"has_sliding_window": config.sliding_window is not None
                                                                  if hasattr(config, "sliding_window") else False}
    if "no_rope_layers" in names:
        names["no_rope_layers"] = [i for i, has_rope in enumerate(names["no_rope_layers"]) if has_rope]
    names |= {alias: getattr(config, name) for alias, name in config.attribute_map.items() if hasattr(config, name)}
    try:
        return eval(expression.replace("/", "//"), {}, names)  # the expressions of this file
    except (NameError, TypeError):
        return None


def is_null_allowed(cls, name: str) -> bool:
    try:
        for validate in cls.__validators__.get(name, []):
            validate(None)
    except (TypeError, ValueError):
        return False
    return True


def meaning_of(cls, name: str, given: list) -> object:
    """What the setting becomes: an expression, the value itself, or nothing where it stays as it is."""
    all_sizes = [{cls.attribute_map.get(size, size): value for size, value in sizes.items()} for sizes in SIZES]
    try:
        made_of = [made(cls, **sizes | ({} if value is MISSING else {name: value})) for sizes in all_sizes for value in given]
    except TypeError:  # the class computes with it
        return None
    results = [getattr(config, name) for config in made_of]
    if all(result in (None, value) for result, value in zip(results, given * len(SIZES))):
        return None
    for expression in MEANINGS:
        if all(value_of(expression, config) == getattr(config, name) for config in made_of):
            return expression
    if any(result != results[0] for result in results) or isinstance(results[0], str):
        sys.exit(f"{cls.__name__}: {name} becomes {results}, which no form explains")
    return results[0]


def pattern_of(cls, name: str) -> dict | None:
    tried = [dict(num_hidden_layers=layers, use_sliding_window=use, sliding_window=window, max_window_layers=most, **others)
             for layers, use, window, most in itertools.product((1, 9), (False, True), (None, 7), (0, 3, 20))
             for others in ({}, {"sliding_window_pattern": 3, "no_rope_layer_interval": 3})]
    configs = [made(cls, **settings) for settings in tried]
    if not all(isinstance(getattr(config, name), list) for config in configs):
        return None
    for values, condition in PATTERNS:
        if all(getattr(config, name) == [values[bool(value_of(condition, config, layer))]
                                         for layer in range(config.num_hidden_layers)] for config in configs):
            used = {name: value for name, value in PATTERN_DEFAULTS.items() if name in condition}
            return {"values": values, "when": condition} | ({"defaults": used} if used else {})
    return sys.exit(f"{cls.__name__}: no pattern explains {name}")


def rope_of(cls) -> dict | None:
    """How the class finds its rope settings; see core/models/rope_settings.cpp."""
    if "rope_parameters" not in defaults_of(cls):
        return None
    empty = made(cls).rope_parameters
    if "full_attention" in empty:
        local = [name for name in LOCAL_THETAS
                 if made(cls, **{name: 123.0}).rope_parameters["sliding_attention"]["rope_theta"] == 123.0]
        return {"form": "by_layer_type", "theta": empty["full_attention"]["rope_theta"],
                "local_theta": empty["sliding_attention"]["rope_theta"]} | ({"local_field": local[0]} if local else {})
    plain = made(cls, rope_parameters={"rope_type": "default"}).rope_parameters
    rope = {"form": "flat", "theta": plain["rope_theta"]}
    if "partial_rotary_factor" in plain:
        rope["partial_rotary_factor"] = plain["partial_rotary_factor"]
    if empty != plain:
        rope["default"] = {key: value for key, value in empty.items() if plain.get(key) != value}
    types = {kind: made(cls, rope_scaling={"type": kind, "factor": 2.0}).rope_parameters["rope_type"] for kind in ROPE_TYPES}
    if renamed := {kind: name for kind, name in types.items() if kind != name}:
        rope["types"] = renamed
    return rope


def changed_of(cls) -> dict:
    """Settings that another one changes although they are given, and what they are then."""
    own = defaults_of(cls)
    for switch, value, condition in SWITCHES:
        if switch not in own or "sliding_window" not in own:
            continue
        windows = {window: made(cls, **{switch: value}, sliding_window=window).sliding_window for window in (77, 100)}
        if all(window == result for window, result in windows.items()):
            continue
        for meaning in WINDOWS:
            expected = {window: eval(meaning.replace("/", "//"), {}, {"sliding_window": window}) if meaning else meaning
                        for window in windows}
            if windows == expected:
                return {"sliding_window": {"when": condition, "value": meaning}}
        sys.exit(f"{cls.__name__}: {switch} makes sliding_window {windows}, which no form explains")
    return {}


def words_of(cls) -> dict:
    replaced = {}
    for name in ("hidden_act", "hidden_activation"):
        if name in defaults_of(cls):
            words = {word: getattr(made(cls, **{name: word}), name) for word in ("silu", "gelu", "gelu_new", "relu")}
            if changed := {word: value for word, value in words.items() if word != value}:
                replaced[name] = changed
    return replaced


def described(cls) -> dict:
    own = {name: value for name, value in defaults_of(cls).items() if name not in BASE}
    result = {"defaults": own, "not_null": [name for name in own if not is_null_allowed(cls, name)]}
    named = {field.name for field in fields(cls)}
    aliases = {alias: name for alias, name in cls.attribute_map.items() if alias not in named}
    own_aliases = {alias: name for alias, name in cls.attribute_map.items() if alias in named}
    patterns = [{"field": name} | pattern for name in ("no_rope_layers", "layer_types")
                if name in own and (pattern := pattern_of(cls, name))]
    null, always = {}, {}
    for name in own:
        if name == "rope_parameters" or any(name == pattern["field"] for pattern in patterns):
            continue
        if (meaning := meaning_of(cls, name, [None])) is not None:
            null[name] = meaning
    for name in ("head_dim", "qk_head_dim"):
        config = made(cls, **SIZES[0], **({name: 12345} if name in own else {}))
        if getattr(config, name, 12345) not in (None, 12345) and (name not in own or meaning_of(cls, name, [12345])):
            always[name] = meaning_of(cls, name, [12345 if name in own else MISSING])
            null.pop(name, None)
    result |= {"aliases": aliases, "fields_own_aliases": own_aliases, "null": null, "always": always, "patterns": patterns, "changed": changed_of(cls),
               "words": words_of(cls), "rope": rope_of(cls)}
    result["null"] = {name: meaning for name, meaning in null.items() if name not in result["changed"]}
    return {key: value for key, value in result.items() if value}


def composites() -> dict:
    """Classes that hold one of these as text_config: whose settings their language model then has."""
    result = {}
    for model_type, cls in CONFIG_MAPPING.items():
        spec = cls.sub_configs_defaults.get("text_config")
        if spec is None or spec.model_type not in MODEL_TYPES:
            continue
        is_fixed = issubclass(spec.config_class, PreTrainedConfig)
        result[model_type] = {"architectures": architectures_of(cls), "text": spec.model_type, "is_fixed": is_fixed,
                              "text_defaults": spec.init_kwargs}
    return result


def architectures_of(cls) -> list[str]:
    """Of the models with this configuration that produce text."""
    mappings = (MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_FOR_MULTIMODAL_LM_MAPPING,
                MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
    return sorted({mapping[cls].__name__ for mapping in mappings if cls in mapping})


def lines_of(value, depth: int = 0) -> str:
    """JSON, a line for each thing that lies three levels deep."""
    if depth == 3 or not isinstance(value, dict):
        return json.dumps(value)
    lines = ",\n".join(f"{' ' * (depth + 1)}{json.dumps(key)}: {lines_of(item, depth + 1)}" for key, item in value.items())
    return "{\n" + lines + "\n" + " " * depth + "}" + ("" if depth else "\n")


def main() -> None:
    transformers.logging.set_verbosity_error()
    classes = {name: {"architectures": architectures_of(CONFIG_MAPPING[name])}
               | described(CONFIG_MAPPING[name]) for name in MODEL_TYPES}
    file = {"transformers": transformers.__version__, "layer_types": _LEGACY_LAYER_TYPE_REMAP, "classes": classes,
            "composites": composites()}
    Path(sys.argv[1]).write_text(lines_of(file))


if __name__ == "__main__":
    main()
