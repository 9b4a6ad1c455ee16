"""What unshard makes of config.json is what transformers' own classes make of it."""
import json
import random
import subprocess

import pytest
import transformers
from config_settings import SIZES, as_transformers_4, settings_of
from conftest import TESTS, UNSHARD

CLASSES = json.loads((TESTS.parent / "configs/models/transformers/config-classes.json").read_text())["classes"]
transformers.logging.set_verbosity_error()
# Set for the run or for generation, and what transformers leaves beside the settings; rope_theta and rope_scaling go into
# rope_parameters.
APART = {"transformers_version", "output_hidden_states", "return_dict", "chunk_size_feed_forward", "is_encoder_decoder",
         "id2label", "label2id", "problem_type", "dtype", "architectures", "rope_theta", "rope_scaling", "torch_dtype",
         "partial_rotary_factor", "rope_local_base_freq", "model_type", "ignore_keys_at_rope_validation", "sliding_window_pattern"}


def seen_by_unshard(configs: list[dict]) -> list[dict]:
    lines = "".join(json.dumps(config) + "\n" for config in configs)
    done = subprocess.run([UNSHARD.parent / "normalised_config"], input=lines, capture_output=True, text=True, timeout=120,
                          check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def seen_by_transformers(config: dict) -> dict | None:
    """The language model's settings when the model has been made; nothing when transformers does not take the file."""
    cls = transformers.CONFIG_MAPPING[config["model_type"]]
    try:
        made = cls.from_dict(json.loads(json.dumps(config)))
    except Exception as error:
        assert "alidation" in type(error).__name__ or isinstance(error, (KeyError, ValueError, TypeError)), error
        return None
    text = made.get_text_config()
    if getattr(text, "rope_parameters", None):
        text.standardize_rope_params()  # as the model does
    settings = {name: value for name, value in vars(text).items() if not name.startswith("_") and name not in APART}
    return json.loads(json.dumps(settings, default=str)) | {"tie_word_embeddings": made.tie_word_embeddings}


def differences(config: dict, ours: dict) -> dict:
    theirs = seen_by_transformers(config)
    if theirs is None:
        return {}
    if "error" in ours:
        return {"error": ours["error"]}
    rope = CLASSES[config["model_type"]].get("rope")
    settings = dict(ours)
    for view in (settings, theirs) if rope and rope["form"] == "by_layer_type" else ():  # the others are not looked at
        view["rope_parameters"] = {kind: view["rope_parameters"][kind] for kind in set(view["layer_types"])}
    names = {name for name in theirs | settings if name not in APART and (rope or name != "rope_parameters")}
    return {name: (settings.get(name, "absent"), theirs.get(name, "absent")) for name in names
            if settings.get(name, "absent") != theirs.get(name, "absent")}


@pytest.mark.parametrize("model_type", CLASSES)
def test_every_setting_is_what_the_class_makes_of_it(model_type):
    choose = random.Random(model_type)
    facts = CLASSES[model_type]
    is_nested = facts.get("rope", {}).get("form") == "by_layer_type"
    configs = [{"model_type": model_type} | settings_of(facts["defaults"], is_nested, choose) for _ in range(150)]
    configs += [{"model_type": model_type}, {"model_type": model_type} | SIZES]
    loaded = sum(seen_by_transformers(config) is not None for config in configs)
    wrong = [(config, found) for config, ours in zip(configs, seen_by_unshard(configs))
             if (found := differences(config, ours))]
    assert not wrong, f"{len(wrong)} of {loaded}: {wrong[0]}"
    assert loaded > 40
