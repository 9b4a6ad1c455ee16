"""Every pipeline in configs/ converts a real checkpoint of its kind."""
import pytest
from conftest import TESTS, convert, unshard
from tensors import assert_same_tensors, read_tensors

CONFIGURATIONS = TESTS.parent / "configs"
CHECKPOINTS = {
    "dcp-hf-to-hf": "dcp_hf",
    "dcp-to-hf": "dcp",
    "fsdp-to-hf": "fsdp-qwen3-4ranks",
    "fsdp-tp-to-hf": "fsdp_tp",
    "tp-llama-to-hf": "tp_plain",
    "tp-megatron-to-hf": "tp_megatron_qwen3",
    "tp-qwen3-to-hf": "tp_plain_qwen3",
    "train-state-to-hf": "dcp_train_state",
}
GGUF_CONFIGURATIONS = ["fsdp-to-gguf", "fsdp-to-hf-and-gguf"]


@pytest.mark.parametrize(("configuration", "name"), CHECKPOINTS.items())
def test_a_configuration_gives_the_tensors_that_were_sharded(configuration, name, checkpoint_dir, tmp_path):
    done = unshard("run", CONFIGURATIONS / f"{configuration}.toml", "--input", checkpoint_dir(name) / "ckpt",
                   "--output", tmp_path / "out")
    assert done.code == 0, done.err
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(checkpoint_dir(name) / "truth.safetensors"))


@pytest.mark.parametrize("configuration", GGUF_CONFIGURATIONS)
def test_a_configuration_gives_the_gguf_file_that_convert_makes(configuration, checkpoint_dir, tmp_path):
    checkpoint, outputs = checkpoint_dir("fsdp-qwen3-4ranks"), [tmp_path / "model.gguf"]
    if "hf" in configuration:
        outputs.insert(0, tmp_path / "hf")
    paths = [f"--set=output.{number}.path={output}" for number, output in enumerate(outputs)]
    done = unshard("run", CONFIGURATIONS / f"{configuration}.toml", "--input", checkpoint / "ckpt", *paths)
    assert done.code == 0, done.err
    (tmp_path / "expected").mkdir()
    expected = convert(checkpoint / "ckpt", tmp_path / "expected/model.gguf", "--dtype", "q4_k_m")
    assert outputs[-1].read_bytes() == expected.read_bytes()
    for hf in outputs[:-1]:
        assert_same_tensors(read_tensors(hf), read_tensors(checkpoint / "truth.safetensors"))


def test_no_configuration_is_left_out():
    assert sorted([*CHECKPOINTS, *GGUF_CONFIGURATIONS]) == sorted(file.stem for file in CONFIGURATIONS.glob("*.toml"))
