"""Every pipeline in configs/ converts a real checkpoint of its kind."""
import pytest
from conftest import TESTS, unshard
from tensors import assert_same_tensors, read_tensors

CONFIGURATIONS = TESTS.parent / "configs"
CHECKPOINTS = {
    "dcp-hf-to-hf": "dcp_hf",
    "dcp-to-hf": "dcp",
    "fsdp-to-hf": "fsdp-qwen3-4ranks",
    "fsdp-tp-to-hf": "fsdp_tp",
    "tp-llama-to-hf": "tp_plain",
    "tp-qwen3-to-hf": "tp_plain_qwen3",
    "train-state-to-hf": "dcp_train_state",
}


@pytest.mark.parametrize(("configuration", "name"), CHECKPOINTS.items())
def test_a_configuration_gives_the_tensors_that_were_sharded(configuration, name, checkpoint_dir, tmp_path):
    done = unshard("run", CONFIGURATIONS / f"{configuration}.toml", "--input", checkpoint_dir(name) / "ckpt",
                   "--output", tmp_path / "out")
    assert done.code == 0, done.err
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(checkpoint_dir(name) / "truth.safetensors"))


def test_no_configuration_is_left_out():
    assert sorted(CHECKPOINTS) == sorted(file.stem for file in CONFIGURATIONS.glob("*.toml"))
