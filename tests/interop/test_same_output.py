"""The output is a function of the input and the pipeline: not of threads, tiles or the way it was asked for."""
from pathlib import Path

import pytest
from conftest import GOLDEN, TESTS, convert, unshard

PIPELINE = TESTS.parent / "configs/fsdp-to-hf.toml"
CHECKPOINTS = ["many_tiles", "dtypes_and_views", "fsdp-qwen3-7ranks-uneven", "hsdp-qwen2-2x2"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("tile_mib", [1, 4])
def test_threads_and_tiles_do_not_show_in_the_output(name, threads, tile_mib, checkpoint_dir, converted, tmp_path):
    output = convert(checkpoint_dir(name) / "ckpt", tmp_path / "out", "--threads", threads, "--tile-mib", tile_mib)
    assert contents(output) == contents(converted(name))


@pytest.mark.parametrize("dtype", ["f32", "f16"])
@pytest.mark.makes("many_tiles")
def test_threads_and_tiles_do_not_show_in_a_cast_either(dtype, checkpoint_dir, tmp_path):
    checkpoint = checkpoint_dir("many_tiles") / "ckpt"
    one = convert(checkpoint, tmp_path / "one", "--dtype", dtype, "--threads", 1, "--tile-mib", 4)
    many = convert(checkpoint, tmp_path / "many", "--dtype", dtype, "--threads", 7, "--tile-mib", 1)
    assert contents(one) == contents(many)


@pytest.mark.parametrize("name", [*CHECKPOINTS, "fsdp-qwen3-4ranks", "fsdp-qwen2-tied-4ranks"])
def test_a_pipeline_file_and_the_options_give_the_same_bytes(name, checkpoint_dir, converted, tmp_path):
    done = unshard("run", PIPELINE, "--input", checkpoint_dir(name) / "ckpt", "--output", tmp_path / "out")
    assert done.code == 0, done.err
    assert contents(tmp_path / "out") == contents(converted(name))


def test_plan_writes_nothing(tmp_path):
    done = unshard("plan", GOLDEN / "fsdp-qwen3-4ranks/ckpt", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert list(tmp_path.iterdir()) == []
