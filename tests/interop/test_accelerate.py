"""accelerate's rank files: names that do not say how many there are. test_conversion.py converts every scenario."""
import shutil
from pathlib import Path

import pytest
from conftest import convert, unshard
from tensors import assert_same_tensors, read_tensors

SHARDED = ["accelerate_fsdp1_sharded_tensor", "accelerate_fsdp2", "accelerate_hsdp"]


def copy_of(name: str, checkpoint_dir, tmp_path: Path) -> tuple[Path, list[Path]]:
    """A checkpoint that may be damaged, and its rank files in rank order."""
    copy = Path(shutil.copytree(checkpoint_dir(name) / "ckpt", tmp_path / "ckpt"))
    return copy, sorted(copy.glob("*.bin"))


@pytest.mark.parametrize("name", SHARDED)
@pytest.mark.parametrize("rank", [0, 2, -1])
def test_a_missing_rank_is_named(name, rank, checkpoint_dir, tmp_path, refusal):
    checkpoint, files = copy_of(name, checkpoint_dir, tmp_path)
    files[rank].unlink()
    assert f"no file of rank {rank % len(files)}" in refusal(checkpoint)


@pytest.mark.parametrize("name", SHARDED)
def test_an_extra_rank_is_named(name, checkpoint_dir, tmp_path, refusal):
    checkpoint, files = copy_of(name, checkpoint_dir, tmp_path)
    extra = f"rank{len(files)}"
    shutil.copy(files[0], str(files[0]).replace("rank0", extra))
    assert extra in refusal(checkpoint)


@pytest.mark.parametrize("name", SHARDED)
def test_swapped_and_copied_files_are_noticed(name, checkpoint_dir, tmp_path, refusal):
    checkpoint, files = copy_of(name, checkpoint_dir, tmp_path)
    shutil.copy(files[1], tmp_path / "aside")
    shutil.copy(files[2], files[1])
    assert files[1].name in refusal(checkpoint)
    shutil.copy(tmp_path / "aside", files[2])
    said = refusal(checkpoint)
    assert "swapped or copied" in said and any(file.name in said for file in files[1:3])


@pytest.mark.makes("accelerate_two_models")
def test_of_two_models_the_user_chooses(checkpoint_dir, tmp_path, refusal):
    checkpoint = checkpoint_dir("accelerate_two_models") / "ckpt"
    said = refusal(checkpoint)
    assert "'pytorch_model_fsdp_0_rank*.bin' (2 files), 'pytorch_model_fsdp_1_rank*.bin' (2 files)" in said
    assert "--set input.options.files=" in said
    chosen = convert(checkpoint, tmp_path / "out", "--set", "input.options.files=pytorch_model_fsdp_1_rank*.bin")
    assert_same_tensors(read_tensors(chosen), read_tensors(checkpoint.parent / "truth.safetensors"))
    wrong = unshard("convert", checkpoint, "-o", tmp_path / "no", "--set", "input.options.files=pytorch_model_fsdp_2")
    assert wrong.code == 1 and "pytorch_model_fsdp_1_rank*.bin" in wrong.err


@pytest.mark.parametrize("name", ["accelerate_local", "accelerate_local_orig_params"])
def test_flat_parameters_are_refused_with_a_cure(name, checkpoint_dir, refusal):
    said = refusal(checkpoint_dir(name) / "ckpt")
    assert "_flat_param" in said and "LOCAL_STATE_DICT" in said and "save it with SHARDED_STATE_DICT" in said


@pytest.mark.makes("accelerate_full_of_parts")
def test_parts_in_the_one_file_of_rank_0_are_not_waited_for(checkpoint_dir, refusal):
    said = refusal(checkpoint_dir("accelerate_full_of_parts") / "ckpt")
    assert "the other parts are in no file" in said and "all ranks' files are needed" not in said
