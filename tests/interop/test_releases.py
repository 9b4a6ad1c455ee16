"""What PyTorch 2.1 to 2.4 leaves unsaid is taken from what else is known, or asked for; never guessed."""
import shutil
from pathlib import Path

import pytest
from conftest import convert, unshard
from tensors import assert_same_tensors, read_tensors


@pytest.fixture
def without_config(checkpoint_dir, tmp_path) -> Path:
    """FSDP2 over tensor parallelism, its rank files alone."""
    folder = Path(shutil.copytree(checkpoint_dir("fsdp2_tp_of_2_3") / "ckpt", tmp_path / "ckpt"))
    (folder / "fsdp_config.json").unlink()
    return folder


@pytest.mark.makes("fsdp2_tp_of_2_3")
def test_an_order_of_splits_that_nothing_tells_is_refused_and_can_be_stated(without_config, checkpoint_dir, tmp_path,
                                                                            refusal):
    said = refusal(without_config)
    assert "--set input.options.split_order=inner_first" in said and "=left_to_right" in said
    truth = read_tensors(checkpoint_dir("fsdp2_tp_of_2_3") / "truth.safetensors")
    output = convert(without_config, tmp_path / "out", "--set", "input.options.split_order=inner_first")
    assert_same_tensors(read_tensors(output), truth)
    other = read_tensors(convert(without_config, tmp_path / "other", "--set", "input.options.split_order=left_to_right"))
    assert any(not other[name].equal(tensor) for name, tensor in truth.items())


@pytest.mark.makes("dcp_fsdp2_tp_of_2_3")
def test_boxes_of_dcp_that_may_be_in_each_others_places_are_refused_until_the_order_is_stated(checkpoint_dir, tmp_path,
                                                                                             refusal):
    folder = checkpoint_dir("dcp_fsdp2_tp_of_2_3")
    assert "--set input.options.split_order=inner_first" in refusal(folder / "ckpt")
    output = convert(folder / "ckpt", tmp_path / "out", "--set", "input.options.split_order=inner_first")
    assert_same_tensors(read_tensors(output), read_tensors(folder / "truth.safetensors"))


@pytest.mark.makes("fsdp_tp")
def test_files_that_state_the_order_take_no_option_for_it(checkpoint_dir, tmp_path):
    done = unshard("convert", checkpoint_dir("fsdp_tp") / "ckpt", "-o", tmp_path / "out", "--set",
                   "input.options.split_order=left_to_right")
    assert done.code == 2 and "state the order themselves" in done.err


@pytest.mark.makes("hsdp2_of_2_3_drifted")
def test_replicas_that_only_fewer_placements_tell_of_are_always_compared(checkpoint_dir, refusal):
    assert "w: ranks 0 and 2 hold different values" in refusal(checkpoint_dir("hsdp2_of_2_3_drifted") / "ckpt")
