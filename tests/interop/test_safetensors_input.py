"""Hugging Face directories and safetensors files as input."""
import json
import shutil

import pytest
import torch
from conftest import GOLDEN, convert, unshard
from tensors import assert_same_tensors, read_tensors

TRUTH = GOLDEN / "fsdp-qwen3-4ranks/truth.safetensors"


@pytest.fixture
def model(converted, tmp_path):
    return shutil.copytree(converted("fsdp-qwen3-4ranks"), tmp_path / "model")


def test_a_model_directory_comes_out_as_it_was(model, tmp_path):
    output = convert(model, tmp_path / "out")
    assert {file.name: file.read_bytes() for file in output.iterdir()} == {
        file.name: file.read_bytes() for file in model.iterdir()}


def test_split_into_files_and_put_together_again(model, tmp_path):
    split = convert(model, tmp_path / "split", "--max-shard-size", "20KB")
    assert len(list(split.glob("*.safetensors"))) > 2
    assert unshard("diff", split, TRUTH).code == 0
    assert_same_tensors(read_tensors(convert(split, tmp_path / "whole")), read_tensors(TRUTH))
    assert (tmp_path / "whole/model.safetensors").exists()


def test_one_file_is_an_input(tmp_path):
    output = convert(TRUTH, tmp_path / "out", "--dtype", "f32")
    assert_same_tensors(read_tensors(output), {name: tensor.float() for name, tensor in read_tensors(TRUTH).items()})


def test_every_dtype_and_shape_passes_through(tmp_path):
    truth = GOLDEN / "dtypes-and-views-3ranks/truth.safetensors"
    assert_same_tensors(read_tensors(convert(truth, tmp_path / "out")), read_tensors(truth))


@pytest.mark.makes("dcp_hf_consolidated")
def test_what_pytorch_consolidated_is_read_instead_of_its_shards(checkpoint_dir, tmp_path):
    folder = checkpoint_dir("dcp_hf_consolidated")
    truth = read_tensors(folder / "truth.safetensors")
    assert_same_tensors(read_tensors(convert(folder / "ckpt/dcp", tmp_path / "whole")), truth)
    assert_same_tensors(read_tensors(convert(folder / "ckpt/dcp/sharded", tmp_path / "pieces", "--assets",
                                              folder / "ckpt/huggingface")), truth)


@pytest.mark.parametrize("damage", ["lost", "stray"])
def test_an_index_that_disagrees_with_its_files_is_refused(damage, model, tmp_path, refusal):
    split = convert(model, tmp_path / "split", "--max-shard-size", "20KB")
    file = split / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    name = "model.norm.weight"
    where = index["weight_map"].pop(name)
    if damage == "lost":
        index["weight_map"][name + "_g"] = where
    file.write_text(json.dumps(index))
    assert name in refusal(split)


def test_a_file_that_is_cut_short_is_refused(model, refusal):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert "model.safetensors" in refusal(model)


def test_integers_are_not_cast(tmp_path):
    from safetensors.torch import save_file
    state = {"counts": torch.arange(5), "w": torch.randn(3)}
    save_file(state, tmp_path / "in.safetensors", metadata={"format": "pt"})
    output = read_tensors(convert(tmp_path / "in.safetensors", tmp_path / "out", "--dtype", "bf16"))
    assert_same_tensors(output, {"counts": state["counts"], "w": state["w"].bfloat16()})


def test_exponents_and_halves_of_bytes_pass_through(tmp_path):
    from safetensors.torch import save_file
    bits = torch.arange(16, dtype=torch.uint8).reshape(2, 8)
    state = {"scale": bits.view(torch.float8_e8m0fnu), "blocks": bits.clone().view(torch.float4_e2m1fn_x2), "w": torch.randn(3)}
    file = tmp_path / "in.safetensors"
    save_file(state, file, metadata={"format": "pt"})
    output = read_tensors(convert(file, tmp_path / "out", "--dtype", "bf16"))
    assert_same_tensors(output, state | {"w": state["w"].bfloat16()})
    assert (tmp_path / "out/model.safetensors").stat().st_size < file.stat().st_size
    assert unshard("diff", file, file).code == 0


def test_a_type_without_a_name_in_safetensors_does_not_end_the_run_when_it_is_dropped(tmp_path, refusal):
    (folder := tmp_path / "ckpt").mkdir()
    state = {"w": torch.randn(3), "phases": torch.randn(2, 3, dtype=torch.complex128),
             "pairs": torch.arange(4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
             "scale": torch.arange(256, dtype=torch.uint8).reshape(16, 16).t().view(torch.float8_e8m0fnu)}
    torch.save(state, folder / "model_world_size_1_rank_0.pt")
    assert "'phases': is c128, for which safetensors has no name" in refusal(folder)
    output = read_tensors(convert(folder, tmp_path / "out", "--drop", "phases"))
    assert_same_tensors(output, {name: state[name] for name in ("w", "pairs", "scale")})
    turned = tmp_path / "turned"
    turned.mkdir()
    torch.save(state | {"phases": state["phases"].t().contiguous().t()}, turned / "model_world_size_1_rank_0.pt")
    assert unshard("diff", folder, turned).code == 0
    torch.save(state | {"phases": state["phases"].t().contiguous().t() + 1j}, turned / "model_world_size_1_rank_0.pt")
    assert "phases" in (found := unshard("diff", folder, turned)).out and found.code == 1


def test_a_tensor_that_repeats_one_element_is_said_to_grow(tmp_path):
    torch.save({"w": torch.zeros(1).expand(1 << 12, 1 << 13)}, tmp_path / "model_world_size_1_rank_0.pt")
    done = unshard("plan", tmp_path, "-o", tmp_path / "../grown")
    assert "tensors in it repeat their elements" in done.err
