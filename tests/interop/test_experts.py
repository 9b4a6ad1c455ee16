"""Experts come out stacked, as transformers keeps them in memory, or one by one, as save_pretrained writes them."""
import pytest
import torch
from conftest import GOLDEN, convert, unshard
from make_checkpoints import SCENARIOS
from tensors import assert_same_tensors, read_tensors
from test_conversion import load_model, logits

NAMES = [name for name in SCENARIOS if name.startswith("moe_")]
KINDS = ["moe_qwen3moe", "moe_qwen2moe", "moe_mixtral"]
FORMS = {"stacked": "truth.safetensors", "separate": "saved"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_either_form_is_what_transformers_has_bit_for_bit(name, form, checkpoint_dir, tmp_path):
    made = checkpoint_dir(name)
    output = convert(made / "ckpt", tmp_path / "out", "--experts", form)
    assert_same_tensors(read_tensors(output), read_tensors(made / FORMS[form]))


@pytest.mark.parametrize("name", NAMES)
def test_separate_experts_are_the_very_file_that_save_pretrained_writes(name, checkpoint_dir, tmp_path):
    output = convert(checkpoint_dir(name) / "ckpt", tmp_path / "out", "--experts", "separate")
    saved = checkpoint_dir(name) / "saved/model.safetensors"
    assert (output / "model.safetensors").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KINDS)
def test_either_form_loads_and_computes_the_same_logits(name, form, checkpoint_dir, tmp_path):
    made = checkpoint_dir(name)
    expected = logits(load_model(made / "saved"))
    assert expected.isfinite().all() and expected.std() > 0
    assert torch.equal(logits(load_model(convert(made / "ckpt", tmp_path / "out", "--experts", form))), expected)


@pytest.mark.parametrize("name", KINDS)
def test_from_one_form_to_the_other_and_back_changes_nothing(name, checkpoint_dir, tmp_path):
    first = checkpoint_dir(name) / "saved"
    stacked = convert(first, tmp_path / "stacked", "--experts", "stacked")
    assert_same_tensors(read_tensors(stacked), read_tensors(checkpoint_dir(name) / "truth.safetensors"))
    again = convert(stacked, tmp_path / "again", "--experts", "separate")
    assert (again / "model.safetensors").read_bytes() == (first / "model.safetensors").read_bytes()


@pytest.mark.makes("moe_qwen3moe")
def test_one_pipeline_writes_both_forms(checkpoint_dir, tmp_path):
    made = checkpoint_dir("moe_qwen3moe")
    pipeline = tmp_path / "both.toml"
    pipeline.write_text(f"version = 1\n[input]\npath = '{made / 'ckpt'}'\n" + "".join(
        f"[[output]]\npath = '{form}'\nexperts = '{form}'\n" for form in FORMS))
    done = unshard("run", pipeline)
    assert done.code == 0, done.err
    for form, truth in FORMS.items():
        assert_same_tensors(read_tensors(tmp_path / form), read_tensors(made / truth))


@pytest.mark.makes("moe_mixtral")
def test_a_lost_expert_is_an_error_in_either_form(checkpoint_dir, refusal):
    saved = checkpoint_dir("moe_mixtral") / "saved"
    lost = "model.layers.1.block_sparse_moe.experts.3.w2.weight"
    assert f"1 missing: '{lost}'" in refusal(saved, "--drop", lost)
    said = refusal(saved, "--drop", lost, "--allow-missing", "--experts", "stacked")
    assert f"'{lost}' among them: it cannot be stacked" in said


def test_a_model_without_experts_is_told(refusal):
    said = refusal(GOLDEN / "fsdp-qwen3-4ranks/ckpt", "--experts", "separate")
    assert said.startswith("unshard: experts = 'separate': ") and "qwen3.toml has no 'alternatives'" in said
