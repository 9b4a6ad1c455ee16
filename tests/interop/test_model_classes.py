"""The class that config.json names: heads other than a language model's, wrapped names, vocabularies of other sizes."""
import json
import re

import pytest
import torch
import transformers
from conftest import TESTS, convert, unshard
from safetensors.torch import load_file, save_file
from tensors import assert_same_tensors, read_tensors

TINY = {"num_hidden_layers": 2, "hidden_size": 16, "vocab_size": 40, "intermediate_size": 24, "num_attention_heads": 2,
        "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": None,
        "eos_token_id": None, "num_labels": 3}


def saved(cls: str, path, **settings):
    torch.manual_seed(1)
    model_class = getattr(transformers, cls)
    model = model_class(model_class.config_class(**{**TINY, **settings}))
    model.save_pretrained(path)
    return path


def change_config(path, **changes):
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def change_tensors(path, change):
    state = load_file(path / "model.safetensors")
    change(state)
    save_file(state, path / "model.safetensors", metadata={"format": "pt"})


CLASSES = ["LlamaForSequenceClassification", "Qwen2ForTokenClassification", "Qwen2Model", "Qwen3Model",
           "Qwen3ForSequenceClassification", "LlamaForQuestionAnswering", "MistralForQuestionAnswering"]


@pytest.mark.parametrize("cls", CLASSES)
def test_other_heads_are_complete_and_a_lost_tensor_is_found(cls, tmp_path, refusal):
    model = saved(cls, tmp_path / "model")
    done = unshard("convert", model, "-o", tmp_path / "out", "--json")
    report = json.loads(done.out)
    assert report["model_check"].startswith(f"complete: all tensors as {cls} has them"), report
    assert report["warnings"] == []
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(model))
    for name in sorted(read_tensors(model))[::7]:
        lost = saved(cls, tmp_path / name)
        change_tensors(lost, lambda state, name=name: state.pop(name))
        assert "1 missing: '" in refusal(lost)


def test_a_head_that_gguf_has_no_place_for_is_refused(tmp_path):
    refused = unshard("convert", saved("Qwen3ForSequenceClassification", tmp_path / "c"), "-o", tmp_path / "y.gguf")
    assert refused.code == 1 and "score" in refused.err, refused.err


def test_the_name_that_fsdp2_gives_a_class_is_cleaned(tmp_path, refusal):
    model = saved("Qwen2ForCausalLM", tmp_path / "model")
    change_config(model, architectures=["FSDPQwen2ForCausalLM"])
    output = convert(model, tmp_path / "out")
    expected = {**json.loads((model / "config.json").read_text()), "architectures": ["Qwen2ForCausalLM"]}
    assert json.loads((output / "config.json").read_text()) == expected
    assert isinstance(transformers.AutoModelForCausalLM.from_pretrained(output), transformers.Qwen2ForCausalLM)
    change_tensors(model, lambda state: state.pop("model.layers.1.mlp.up_proj.weight"))
    assert "'model.layers.1.mlp.up_proj.weight'" in refusal(model)


def test_a_class_that_nothing_is_known_of_is_converted_with_a_warning(tmp_path):
    model = saved("OPTForCausalLM", tmp_path / "model", ffn_dim=24, word_embed_proj_dim=16)
    done = unshard("convert", model, "-o", tmp_path / "out", "--json")
    assert json.loads(done.out)["warnings"] == [
        "not checked for completeness: nothing is known about OPTForCausalLM"]


def test_a_model_file_of_ones_own_says_what_is_complete(tmp_path, refusal):
    model = saved("Qwen3ForCausalLM", tmp_path / "model", head_dim=8)
    change_config(model, architectures=["TunedForCausalLM"], model_type="tuned")
    rules = re.sub("architectures = .*", 'architectures = ["TunedForCausalLM"]',
                   (TESTS.parent / "configs/models/qwen3.toml").read_text())
    (tmp_path / "own").mkdir()
    (tmp_path / "own/tuned.toml").write_text(rules)
    for section in ("output", "merge"):
        own = ("--set", f"{section}.options.model_dir={tmp_path / 'own'}")
        done = unshard("convert", model, "-o", tmp_path / section, *own)
        assert done.code == 0 and "complete: all tensors as TunedForCausalLM has them (tuned.toml)" in done.out, done
    change_tensors(model, lambda state: state.pop("model.layers.1.mlp.up_proj.weight"))
    assert "1 missing: 'model.layers.1.mlp.up_proj.weight'" in refusal(model, *own)


def test_what_drop_leaves_out_is_missing(tmp_path):
    model = saved("LlamaForCausalLM", tmp_path / "model")
    done = unshard("convert", model, "-o", tmp_path / "out", "--drop", "norm")
    assert done.code == 1 and "5 missing" in done.err and "5 of them left out by drop" in done.err, done.err
    assert not (tmp_path / "out").exists()
    done = unshard("convert", model, "-o", tmp_path / "out", "--drop", "norm", "--allow-missing", "--json")
    assert json.loads(done.out)["model_check"].startswith("incomplete")


@pytest.fixture
def padded(tmp_path):
    """44 rows for 40 tokens."""
    model = saved("LlamaForCausalLM", tmp_path / "padded")

    def pad(state):
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            state[name] = torch.cat([state[name], torch.randn(4, 16)])

    change_tensors(model, pad)
    return model


def test_rows_past_vocab_size_are_refused_and_both_ways_out_work(padded, tmp_path):
    done = unshard("convert", padded, "-o", tmp_path / "out")
    assert done.code == 1
    for words in ("has 44 rows", "vocab_size is 40", "--extra-rows cut", "--extra-rows keep"):
        assert words in done.err
    state = read_tensors(padded)
    kept = convert(padded, tmp_path / "kept", "--extra-rows", "keep")
    assert_same_tensors(read_tensors(kept), state)
    assert json.loads((kept / "config.json").read_text())["vocab_size"] == 44
    cut = convert(padded, tmp_path / "cut", "--extra-rows", "cut")
    embeddings = ("model.embed_tokens.weight", "lm_head.weight")
    assert_same_tensors(read_tensors(cut), {n: t[:40] if n in embeddings else t for n, t in state.items()})
    ids = torch.arange(40)[None]
    logits = [transformers.AutoModelForCausalLM.from_pretrained(path)(ids).logits for path in (kept, cut)]
    assert logits[0].shape[-1] == 44 and torch.equal(logits[0][..., :40], logits[1])


def test_a_head_that_differs_though_config_says_tied_can_be_kept(tmp_path):
    model = saved("LlamaForCausalLM", tmp_path / "model")
    change_config(model, tie_word_embeddings=True)
    done = unshard("convert", model, "-o", tmp_path / "out")
    assert done.code == 1 and "--keep '^lm_head\\.weight$'" in done.err, done.err
    output = convert(model, tmp_path / "out", "--keep", "^lm_head\\.weight$")
    assert json.loads((output / "config.json").read_text())["tie_word_embeddings"] is False
    loaded = transformers.AutoModelForCausalLM.from_pretrained(output)
    assert torch.equal(loaded.lm_head.weight, read_tensors(model)["lm_head.weight"])


def test_one_prefix_before_every_name_is_found_and_taken_off(tmp_path):
    model = saved("LlamaForCausalLM", tmp_path / "model")
    truth = read_tensors(model)
    change_tensors(model, lambda state: [state.update({f"net.student.{n}": state.pop(n)}) for n in list(state)])
    done = unshard("convert", model, "-o", tmp_path / "out")
    assert done.code == 1 and "pass --strip net.student. " in done.err, done.err
    assert_same_tensors(read_tensors(convert(model, tmp_path / "out", "--strip", "net.student.")), truth)
    renamed = convert(model, tmp_path / "renamed", "--rename", r"^net\.student\.=")
    assert_same_tensors(read_tensors(renamed), truth)


def test_values_too_large_for_a_type_are_refused_and_a_wider_type_holds_them(tmp_path):
    model = saved("LlamaForCausalLM", tmp_path / "model", dtype="bfloat16")
    change_tensors(model, lambda state: state["model.norm.weight"].fill_(70000))
    done = unshard("convert", model, "-o", tmp_path / "out", "--dtype", "f16")
    assert done.code == 1 and "'model.norm.weight': 16 values are too large" in done.err, done.err
    assert not (tmp_path / "out").exists()
    for dtype in ("bf16", "f32"):
        assert read_tensors(convert(model, tmp_path / dtype, "--dtype", dtype))["model.norm.weight"].isfinite().all()
