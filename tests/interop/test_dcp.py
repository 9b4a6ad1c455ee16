"""Which part of a DCP checkpoint is converted, and what is refused. test_conversion.py converts every scenario."""
import json

import pytest
import torch
from conftest import convert, unshard
from tensors import assert_same_tensors, read_tensors


def left_out(checkpoint, tmp_path) -> set[str]:
    done = unshard("plan", checkpoint, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    return {dropped["name"] for dropped in json.loads(done.out)["dropped"]}


@pytest.mark.parametrize(("name", "expected"), [
    ("dcp", {"optimizer", "step"}),
    ("dcp_several_files_a_rank", {"optimizer"}),
    ("dcp_top_level", {"optimizer", "lr_scheduler", "dataloader", "train_state"}),
    ("dcp_train_state", {"app.optim", "rng", "scheduler"}),
    ("dcp_dtypes", {"layer._extra_state"}),
])
def test_what_is_not_the_model_is_listed(name, expected, checkpoint_dir, tmp_path):
    assert left_out(checkpoint_dir(name) / "ckpt", tmp_path) == expected


@pytest.mark.makes("dcp_two_models")
def test_of_two_models_the_user_chooses(checkpoint_dir, tmp_path, refusal):
    checkpoint = checkpoint_dir("dcp_two_models") / "ckpt"
    said = refusal(checkpoint)
    assert "'ema' (2 weights), 'model' (2 weights)" in said and "--set input.root=" in said
    truth = read_tensors(checkpoint.parent / "truth.safetensors")
    assert_same_tensors(read_tensors(convert(checkpoint, tmp_path / "model", "--set", "input.root=model")), truth)
    doubled = {name: tensor * 2 for name, tensor in truth.items()}
    assert_same_tensors(read_tensors(convert(checkpoint, tmp_path / "ema", "--set", "input.root=ema")), doubled)


@pytest.mark.makes("dcp_extension")
def test_a_stream_through_an_unknown_extension_is_refused_by_name(checkpoint_dir, refusal):
    assert "my.cipher/1" in refusal(checkpoint_dir("dcp_extension") / "ckpt")


@pytest.mark.makes("dcp_zstd")
def test_compressed_chunks_leave_nothing_behind_and_do_not_count_as_files(checkpoint_dir, tmp_path):
    checkpoint = checkpoint_dir("dcp_zstd") / "ckpt"
    convert(checkpoint, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    shown = json.loads(unshard("inspect", checkpoint, "--json").out)
    assert {file["path"] for file in shown["files"]} == set(map(str, (checkpoint / "dcp").glob("*.distcp")))


def test_a_metadata_pickle_is_never_run(tmp_path, refusal):
    folder = tmp_path / "ckpt"
    folder.mkdir()
    (folder / ".metadata").write_bytes(b"\x80\x04cos\nsystem\n\x8c\x04true\x85R.")
    assert "os.system" in refusal(folder)


def test_a_checkpoint_of_one_process_needs_no_process_group(tmp_path):
    state = {"a.weight": torch.randn(5, 3), "b": torch.arange(4), "c": torch.tensor(1.5)}
    torch.distributed.checkpoint.save({"model": state}, checkpoint_id=tmp_path / "ckpt", no_dist=True)
    assert_same_tensors(read_tensors(convert(tmp_path / "ckpt", tmp_path / "out")), state)


def test_the_smallest_types_and_one_that_is_dropped(tmp_path, refusal):
    bits = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    state = {"scale": bits.view(torch.float8_e8m0fnu), "blocks": bits.clone().view(torch.float4_e2m1fn_x2)}
    phases = torch.randn(2, 3, dtype=torch.complex128)
    torch.distributed.checkpoint.save(state | {"phases": phases}, checkpoint_id=tmp_path / "ckpt", no_dist=True)
    assert "'phases': is c128, for which safetensors has no name" in refusal(tmp_path / "ckpt")
    assert_same_tensors(read_tensors(convert(tmp_path / "ckpt", tmp_path / "out", "--drop", "phases")), state)


def test_many_chunks_of_many_tensors(tmp_path):
    """More chunks in a file than a thread takes at once."""
    state = {f"layer.{i}": torch.randn(1 + i % 5, 3) for i in range(300)}
    torch.distributed.checkpoint.save(state, checkpoint_id=tmp_path / "ckpt", no_dist=True)
    assert_same_tensors(read_tensors(convert(tmp_path / "ckpt", tmp_path / "out")), state)
