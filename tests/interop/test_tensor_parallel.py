"""Plain parts of a tensor-parallel run: merged by the model's rules, never by a guess."""
import pytest
from conftest import TESTS, convert, unshard
from tensors import assert_same_tensors, read_tensors

PLAIN = ["tp_plain", "tp_plain_qwen3"]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("options", [(), ("--rules", "llama")])
def test_rules_put_plain_parts_together(name, options, checkpoint_dir, tmp_path):
    if options and name != "tp_plain":
        options = ("--rules", "qwen3")
    output = convert(checkpoint_dir(name) / "ckpt", tmp_path / "out", "--merger", "tensor_parallel", *options)
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint_dir(name) / "truth.safetensors"))


@pytest.mark.parametrize("name", ["tp_plain_mistral", "tp_plain_gemma2", "tp_plain_gemma3", "tp_plain_phi3", "tp_plain_qwen2",
                                  "tp_plain_fused", "tp_plain_experts", "tp_plain_experts_distributed"])
def test_other_layouts_of_the_parts_are_told_by_the_rules(name, checkpoint_dir, tmp_path):
    output = convert(checkpoint_dir(name) / "ckpt", tmp_path / "out", "--merger", "tensor_parallel")
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint_dir(name) / "truth.safetensors"))


def test_padding_rows_are_counted(checkpoint_dir, tmp_path):
    checkpoint = checkpoint_dir("tp_plain_fused") / "ckpt"
    done = unshard("convert", checkpoint, "-o", tmp_path / "out", "--merger", "tensor_parallel")
    assert "'lm_head.weight': 16 padding rows behind the 320 of config.json's vocabulary were cut off" in done.err


@pytest.mark.parametrize("name", ["tp_plain_experts", "tp_plain_experts_distributed", "tp_plain_mixtral"])
def test_experts_in_parts_come_out_one_by_one(name, checkpoint_dir, tmp_path):
    output = convert(checkpoint_dir(name) / "ckpt", tmp_path / "out", "--merger", "tensor_parallel", "--experts", "separate")
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint_dir(name) / "saved"))


@pytest.mark.makes("tp_plain_of_a_critic")
def test_a_tensor_that_no_rule_knows_is_an_error_until_it_is_dropped(checkpoint_dir, refusal, tmp_path):
    checkpoint = checkpoint_dir("tp_plain_of_a_critic") / "ckpt"
    rename = "select.rename=[{from = '^backbone\\.', to = ''}]"
    options = ["--merger", "tensor_parallel", "--set", rename]
    said = refusal(checkpoint, *options)
    assert "'value_head.weight', 'value_head.bias': no rule in " in said and "llama.toml has such a name" in said
    output = convert(checkpoint, tmp_path / "out", *options, "--drop", "^value_head")
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint.parent / "truth.safetensors"))


@pytest.mark.parametrize(("name", "mesh"), [
    ("tp_plain_dp2_tp2", "dp,tp=2"), ("tp_plain_pp2_tp2", "pp=2,tp=2"), ("tp_plain_dp2_pp3_tp2", "dp=2,pp=3,tp=2")])
def test_copies_and_stages_of_layers_are_told_by_the_mesh(name, mesh, checkpoint_dir, refusal, tmp_path):
    checkpoint = checkpoint_dir(name) / "ckpt"
    options = ["--merger", "tensor_parallel"]
    output = convert(checkpoint, tmp_path / "out", *options, "--set", f"merge.options.mesh={mesh}")
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint_dir(name) / "truth.safetensors"))
    assert "mesh" in refusal(checkpoint, *options, "--set", "merge.options.mesh=tp")


@pytest.mark.parametrize("name", ["tp_megatron_llama", "tp_megatron_qwen2"])
def test_names_and_groups_of_megatron(name, checkpoint_dir, tmp_path):
    checkpoint = checkpoint_dir(name)
    done = unshard("run", TESTS.parent / "configs/tp-megatron-to-hf.toml", "--input", checkpoint / "ckpt",
                   "--output", tmp_path / "out")
    assert done.code == 0, done.err
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(checkpoint / "truth.safetensors"))


@pytest.mark.makes("whole_copies")
def test_whole_copies_are_taken_for_that_only_when_told_to(checkpoint_dir, refusal, tmp_path):
    checkpoint = checkpoint_dir("whole_copies") / "ckpt"
    said = refusal(checkpoint)
    assert "none of the 2 tensors says how 2 ranks split it: 'first', 'second'. Pass --merger tensor_parallel" in said
    output = convert(checkpoint, tmp_path / "out", "--merger", "placement")
    assert_same_tensors(read_tensors(output), read_tensors(checkpoint.parent / "truth.safetensors"))


@pytest.mark.makes("fsdp_inside_parts")
def test_parts_that_fsdp_sharded_further_are_not_taken_for_copies(checkpoint_dir, refusal):
    said = refusal(checkpoint_dir("fsdp_inside_parts") / "ckpt", "--tile-mib", "1")
    assert "weight: ranks 0 and 1 hold different values" in said and "share no mesh" in said


@pytest.mark.parametrize("name", PLAIN)
def test_without_rules_plain_parts_are_refused_with_what_to_pass(name, checkpoint_dir, refusal):
    assert "--merger tensor_parallel" in refusal(checkpoint_dir(name) / "ckpt")


@pytest.mark.parametrize("name", PLAIN)
def test_concatenating_what_was_split_along_another_dimension_is_caught(name, checkpoint_dir, refusal):
    assert "of another shape than config.json says" in refusal(checkpoint_dir(name) / "ckpt", "--merger", "concat")
