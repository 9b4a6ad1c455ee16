"""What transformers does with the weights of each class that produces text: which are the embedding once more, and which
stay in float32 whatever dtype is asked for.

    python make_architectures.py configs/models/transformers/architectures.json

Found from models made without memory, of few layers. Of each class: `tied` says which part of config.json decides whether
lm_head.weight is the embedding (root or text_config), `default` what holds where nothing is said there. `f32` are regular
expressions of names that stay in float32 when bfloat16 or float16 is asked for, `f32_of_f16` when float16 is.
"""
import json
import re
import sys
from itertools import product
from pathlib import Path

import torch
import transformers
from transformers import (CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
                          MODEL_FOR_MULTIMODAL_LM_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)

MAPPINGS = (MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_FOR_MULTIMODAL_LM_MAPPING,
            MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers", "n_layers", "depth")
FEW = 4


def small_settings(config) -> dict:
    """The settings of a configuration, with few layers."""
    settings = {name: FEW for name in LAYERS if isinstance(getattr(config, name, None), int) and getattr(config, name) > FEW}
    for name in ("layer_types", "mlp_layer_types", "no_rope_layers", "layers_block_type"):
        if isinstance(getattr(config, name, None), list) and "num_hidden_layers" in settings:
            settings[name] = getattr(config, name)[:FEW]
    for name in config.sub_configs:
        if (part := getattr(config, name, None)) is not None:
            settings[name] = part.to_dict() | small_settings(part)
    return settings


def made(cls, config_class):
    config = config_class()
    text = config.get_text_config()
    for make in (lambda: config_class(**small_settings(config)), lambda: type(text)(**small_settings(text)), config_class):
        try:
            with torch.device("meta"):
                return cls(make())
        except Exception as error:  # some classes do not take few layers
            problem = error
    raise problem


def is_head_tied(model) -> bool:
    for target, source in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        if target.endswith("lm_head.weight") and re.search(r"(embed_tokens|wte)\.weight$", source):
            return True
    return False


def tied_by(model) -> dict:
    text = model.config.get_text_config(decoder=True)
    parts = [part.config for part in model.modules() if hasattr(part, "config") and part.config is not model.config]
    found = {}
    default = {"root": getattr(model.config, "tie_word_embeddings", False), "text_config": getattr(text, "tie_word_embeddings", False)}
    for root, own in product((True, False), repeat=2):
        if text is model.config and root != own:
            continue
        for part in [text, *parts]:  # a part can have a copy of its configuration
            part.tie_word_embeddings = own
        model.config.tie_word_embeddings = root
        found[root, own] = is_head_tied(model)
    if not found[True, True]:
        return {}
    decides = "root" if text is model.config or (found[True, False] and not found[False, True]) else "text_config"
    if text is not model.config and found[True, False] == found[False, True]:
        decides = "either" if found[True, False] else "both"
    return {"tied": decides, "default": default.get(decides, default["root"])}


def kept(model) -> dict:
    strict = sorted(model._keep_in_fp32_modules_strict or [])
    own = {re.sub(r"\d+", "#", name) for name, tensor in model.state_dict().items() if tensor.dtype == torch.float32}
    own_patterns = sorted("^" + re.escape(name).replace(r"\#", r"\d+").replace("#", r"\d+") + "$" for name in own)
    result = {"f32": [pattern.replace("*", ".*") for pattern in strict] + own_patterns,
              "f32_of_f16": [pattern.replace("*", ".*") for pattern in sorted(model._keep_in_fp32_modules or [])]}
    return {name: patterns for name, patterns in result.items() if patterns}


def main() -> None:
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    torch.set_default_dtype(torch.bfloat16)
    classes, failed = {}, {}
    for config_class in CONFIG_MAPPING.values():
        for mapping in MAPPINGS:
            found = mapping.get(config_class, None)
            for cls in found if isinstance(found, (tuple, list)) else [found] if found else []:
                if cls.__name__ in classes or cls.__name__ in failed:
                    continue
                try:
                    model = made(cls, config_class)
                    classes[cls.__name__] = {"model_type": config_class.model_type} | tied_by(model) | kept(model)
                except Exception as error:
                    failed[cls.__name__] = f"{type(error).__name__}: {error}"[:150].replace("\n", " ")
    for name, why in failed.items():
        print(f"left out: {name}: {why}", file=sys.stderr)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in sorted(classes.items()))
    defaults = {name: cls.tie_word_embeddings for name, cls in CONFIG_MAPPING.items()
                if isinstance(getattr(cls, "tie_word_embeddings", None), bool)}
    Path(sys.argv[1]).write_text(f'{{\n "transformers": {json.dumps(transformers.__version__)},\n "architectures": {{\n{lines}\n }},\n'
                                 f' "tied_defaults": {json.dumps(defaults)}\n}}\n')


if __name__ == "__main__":
    main()
