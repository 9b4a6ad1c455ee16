"""What unshard makes of config.json is what transformers' own classes make of it."""
import json
import random
import shutil
import subprocess

import pytest
import transformers
from config_settings import SIZES, as_transformers_4, settings_of
from conftest import TESTS, UNSHARD, unshard

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


def differences(config: dict, ours: dict, theirs: dict | None) -> dict:
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
    configs = [{"model_type": model_type} | settings_of(facts["defaults"], is_nested, choose) for _ in range(100)]
    configs += [{"model_type": model_type}, {"model_type": model_type} | SIZES]
    expected = [seen_by_transformers(config) for config in configs]
    wrong = [(config, found) for config, ours, theirs in zip(configs, seen_by_unshard(configs), expected, strict=True)
             if (found := differences(config, ours, theirs))]
    assert not wrong, f"{len(wrong)} differ, such as {wrong[0]}"
    assert sum(theirs is not None for theirs in expected) > 25


SAVED = [
    dict(),
    dict(rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=5e5)),
    dict(rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=5e5, original_max_position_embeddings=64)),
]


@pytest.mark.parametrize("model_type", [name for name, facts in CLASSES.items() if facts.get("rope", {}).get("form") == "flat"])
def test_a_file_as_transformers_4_wrote_it_means_the_same(model_type):
    files = [transformers.CONFIG_MAPPING[model_type](**SIZES | changes).to_dict() for changes in SAVED if
             not changes or model_type != "phi3"]
    new, old = seen_by_unshard(files), seen_by_unshard([as_transformers_4(file) for file in files])
    for ours, older, file in zip(new, old, files, strict=True):
        assert "error" not in ours, file
        assert {name for name in ours if name not in APART and ours[name] != older[name]} == set(), file


def test_a_model_of_several_parts_has_the_settings_of_its_language_model():
    text = SIZES | dict(head_dim=32, sliding_window=64)
    config = transformers.Gemma3Config(text_config=text).to_dict() | dict(architectures=["Gemma3ForConditionalGeneration"])
    for changed in (config, config | dict(tie_word_embeddings=False), {k: v for k, v in config.items() if k != "tie_word_embeddings"}):
        [ours] = seen_by_unshard([changed])
        theirs = seen_by_transformers(changed)
        assert {name: ours.get(name) for name in theirs} == theirs


@pytest.mark.parametrize("changes", [dict(architectures=None), dict(architectures=[]), dict(pad_token_id=-1)])
def test_what_old_files_say_of_architectures_and_tokens_makes_the_same_model(changes, tiny, tmp_path):
    hf = shutil.copytree(tiny("qwen2") / "ckpt/hf", tmp_path / "hf")
    made = []
    for name in ("as_it_is", "changed"):
        done = unshard("convert", tiny("qwen2") / "ckpt", "-o", tmp_path / f"{name}.gguf", "--assets", hf, "--set",
                       "output.options.name=x")
        assert done.code == 0, done.err
        made.append((tmp_path / f"{name}.gguf").read_bytes())
        (hf / "config.json").write_text(json.dumps(json.loads((hf / "config.json").read_text()) | changes))
    assert made[0] == made[1]
    assert ("taken for Qwen2ForCausalLM" in done.err) == ("architectures" in changes)
