"""Plain parts of a tensor-parallel run: merged by the model's rules, never by a guess."""
import pytest
from conftest import convert
from tensors import assert_same_tensors, read_tensors

PLAIN = ["tp_plain", "tp_plain_qwen3"]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("options", [(), ("--rules", "llama")])
def test_rules_put_plain_parts_together(name, options, checkpoint_dir, tmp_path):
    if options and name != "tp_plain":
        options = ("--rules", "qwen3")
    output = convert(checkpoint_dir(name) / "ckpt", tmp_path / "out", "--merger", "tensor_parallel", *options)
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint_dir(name) / "truth.safetensors"))


@pytest.mark.parametrize("name", PLAIN)
def test_without_rules_plain_parts_are_refused_with_what_to_pass(name, checkpoint_dir, refusal):
    assert "--merger tensor_parallel" in refusal(checkpoint_dir(name) / "ckpt")


@pytest.mark.parametrize("name", PLAIN)
def test_concatenating_what_was_split_along_another_dimension_is_caught(name, checkpoint_dir, refusal):
    assert "of another shape than config.json says" in refusal(checkpoint_dir(name) / "ckpt", "--merger", "concat")
