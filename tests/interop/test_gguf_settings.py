"""Every setting that a model can have: llama.cpp computes transformers' logits from its GGUF file, or the conversion is refused,
or a warning names the setting. A chosen part of them; all with UNSHARD_MATRIX=whole, as ./dev matrix does."""
import os
import tomllib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import transformers
from conftest import TESTS, Run, unshard
from gguf_settings import CHOSEN, IDS, SETTINGS, Setting, logits, save
from llama_tools import SRC, logits_script, lowest_cosine, needs_converter, run_llama

pytest.importorskip("llama_cpp")

MODELS = TESTS.parent / "configs/models"
NAMES = list(SETTINGS) if os.environ.get("UNSHARD_MATRIX") == "whole" else CHOSEN


@dataclass(frozen=True)
class Made:
    """What came of a setting: what unshard said, and the logits of transformers and of llama.cpp where there is a file."""
    said: Run
    expected: np.ndarray
    ours: np.ndarray | None = None


@pytest.fixture(scope="module")
def made(request, tmp_path_factory) -> dict[str, Made]:
    """Without the settings that transformers itself has no model for."""
    transformers.logging.disable_progress_bar()
    folder, results = tmp_path_factory.mktemp("settings"), {}
    chosen = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")
              and "name" in item.callspec.params} & set(NAMES)
    for name in sorted(chosen):
        try:
            model = save(SETTINGS[name], folder / name)
            expected = logits(model)
        except Exception as refusal:  # of many kinds
            print(f"{name}: transformers has no such model: {refusal}")
            continue
        results[name] = Made(unshard("convert", model, "-o", folder / f"{name}.gguf", "--dtype", "f32",
                                      "--set", "output.options.name=x"), expected)
    files = {name: folder / f"{name}.gguf" for name, one in results.items() if one.said.code == 0}
    ours = run_llama(logits_script(IDS), files)
    return {name: Made(one.said, one.expected, ours.get(name)) for name, one in results.items()}


def verdict(setting: Setting, one: Made) -> str:
    if one.said.code != 0:
        return "refused"
    if one.ours is None:
        return "written, but llama.cpp does not load it"
    warnings = [line for line in one.said.err.splitlines() if line.startswith("unshard: warning: ")]
    is_equal = lowest_cosine(one.ours, one.expected) >= (0.9999 if setting.layers <= 20 else 0.999)
    if is_equal and not warnings:
        return "equal"
    is_named = any(f"{field}' is" in warning for warning in warnings for field in setting.fields)
    if is_named and (not is_equal or setting.is_rounded):
        return "warned"
    if is_equal:
        return f"equal, and yet warned: {warnings}"
    return f"other logits, and {warnings or 'no warning'}"


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_kept_or_refused_or_named_in_a_warning(name, made):
    if name not in made:
        pytest.skip("transformers has no such model")
    assert verdict(SETTINGS[name], made[name]) in ("equal", "refused", "warned")


def test_every_base_model_is_kept(made):
    bases = {name: verdict(SETTINGS[name], one) for name, one in made.items() if name.endswith("-as_is")}
    assert Counter(bases.values()) == {"equal": len(bases)}, bases


def test_every_note_and_refusal_of_the_models_is_met_by_a_setting(made):
    said = "\n".join(one.said.err for one in made.values())
    unmet = {}
    for file in MODELS.glob("*.toml"):
        gguf = tomllib.loads(file.read_text())["gguf"]
        for remark in gguf.get("notes", []) + gguf.get("refuse", []):
            if f"'{remark.get('field', '')}' is" not in said or remark["text"] not in said:
                unmet.setdefault(file.name, []).append(remark)
    assert unmet == {}


@needs_converter
def test_the_tensors_of_each_architecture_are_those_in_llama_cpps_sources():
    from llama_tensors import derive
    table = tomllib.loads((TESTS.parent / "plugins/writers/gguf/data/tensors.toml").read_text())
    assert table == {name: dict(needs=needs, takes=takes) for name, (needs, takes) in derive(SRC).items()}
