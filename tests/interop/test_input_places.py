"""Where checkpoints and their configuration are looked for, and what is said where there is none."""
import shutil

import pytest
import torch
from conftest import GOLDEN, convert, unshard
from safetensors.torch import save_file
from tensors import assert_same_tensors, read_tensors

DEMO = GOLDEN / "fsdp-qwen3-4ranks"


def test_the_model_is_found_beside_the_checkpoint_of_its_optimizer(tmp_path):
    step = tmp_path / "checkpoint-10"
    shutil.copytree(GOLDEN / "dcp-zstd/ckpt/dcp", step / "pytorch_model_fsdp_0")
    shutil.copytree(GOLDEN / "dcp-zstd/ckpt/dcp", step / "optimizer_0")
    shutil.copy(GOLDEN / "dcp-zstd/ckpt/huggingface/config.json", step)
    done = unshard("convert", tmp_path, "-o", tmp_path / "../out-beside")
    assert done.code == 0, done.err
    assert "optimizer_0: beside the model" in done.out and "complete: all tensors" in done.out
    shutil.rmtree(tmp_path / "../out-beside")


def test_a_file_that_may_be_anything_does_not_win_over_a_checkpoint_below(tmp_path):
    folder = shutil.copytree(DEMO, tmp_path / "both")
    done = unshard("convert", folder, "-o", tmp_path / "out")
    assert done.code == 1 and "holds 2 checkpoints" in done.err and str(folder / "ckpt") in done.err
    assert_same_tensors(read_tensors(convert(folder / "ckpt", tmp_path / "out")), read_tensors(DEMO / "truth.safetensors"))


def test_the_older_of_two_saves_can_be_chosen(tmp_path):
    folder = shutil.copytree(DEMO / "ckpt", tmp_path / "two")
    torch.save({"w": torch.ones(2)}, folder / "model_world_size_1_rank_0.pt")
    said = unshard("convert", folder, "-o", tmp_path / "out").err
    assert "--set input.options.files=" in said and "'model_world_size_1_rank_*.pt' (1 file)" in said
    output = convert(folder, tmp_path / "out", "--assets", "none", "--set",
                     "input.options.files=model_world_size_1_rank_*.pt")
    assert list(read_tensors(output)) == ["w"]


def test_the_config_beside_a_single_file_is_found(converted, tmp_path):
    folder = shutil.copytree(converted("fsdp-qwen3-4ranks"), tmp_path / "model")
    done = unshard("convert", folder / "model.safetensors", "-o", tmp_path / "out")
    assert done.code == 0 and "complete: all tensors" in done.out


def test_one_part_of_a_model_is_not_written_as_a_model(converted, tmp_path, refusal):
    parts = convert(converted("fsdp-qwen3-4ranks"), tmp_path / "parts", "--max-shard-size", "30KB")
    (parts / "model.safetensors.index.json").unlink()
    first = sorted(parts.glob("*.safetensors"))[0]
    assert "is part 1 of a model in" in refusal(first)
    output = convert(parts, tmp_path / "whole")
    assert_same_tensors(read_tensors(output), read_tensors(DEMO / "truth.safetensors"))
    first.unlink()
    assert "without number 1: copy the others too" in refusal(parts)


@pytest.mark.parametrize("address", ["hf://org/model", "s3://bucket/step", "https://host/model"])
def test_addresses_are_refused_by_name_and_nothing_is_made(address, tmp_path):
    scheme = address.partition(":")[0] + "://"
    for arguments in ((address, "-o", tmp_path / "out"), (DEMO / "ckpt", "-o", address)):
        done = unshard("convert", *arguments)
        assert done.code == 2 and scheme in done.err and "path on this machine" in done.err
    assert not any(tmp_path.iterdir())


@pytest.mark.makes("buffers_differ")
def test_the_copies_of_a_buffer_that_differ_can_be_taken_from_the_first_rank(checkpoint_dir, tmp_path, refusal):
    folder = checkpoint_dir("buffers_differ") / "ckpt"
    said = refusal(folder)
    assert "--set merge.options.plain=first" in said and "tensor_parallel" not in said
    output = read_tensors(convert(folder, tmp_path / "out", "--set", "merge.options.plain=first"))
    assert output["counts"].tolist() == [186, 0]


@pytest.mark.makes("mesh_turned")
def test_concatenation_keeps_to_the_order_of_the_mesh(checkpoint_dir, refusal):
    said = refusal(checkpoint_dir("mesh_turned") / "ckpt", "--merger", "concat")
    assert "use merger 'placement'" in said


def test_half_of_a_checkpoint_without_whole_shapes_is_refused(tmp_path, refusal):
    folder = shutil.copytree(GOLDEN / "dcp-hf-2ranks/ckpt", tmp_path / "ckpt")
    truth = read_tensors(GOLDEN / "dcp-hf-2ranks/truth.safetensors")
    assert_same_tensors(read_tensors(convert(folder, tmp_path / "checked")), truth)
    said = refusal(folder, "--assets", "none")
    assert "--set input.options.trust_shapes=true" in said
    trusted = convert(folder, tmp_path / "trusted", "--assets", "none", "--set", "input.options.trust_shapes=true")
    assert_same_tensors(read_tensors(trusted), truth)
    for file in folder.rglob("shard-00002-*"):
        file.unlink()
    assert "of another shape than config.json says" in refusal(folder)
    refusal(folder, "--assets", "none")
