"""unshard diff, against what PyTorch says of the same tensors."""
import json
import subprocess
import sys

import pytest
import torch
from conftest import GOLDEN, UNSHARD, convert, unshard
from safetensors.torch import save_file
from tensors import bits, read_tensors

TRUTH = GOLDEN / "fsdp-qwen3-4ranks/truth.safetensors"


def diff(a, b, *options) -> tuple[int, dict]:
    done = unshard("diff", a, b, "--json", *options)
    assert done.code in (0, 1) and done.out, done.err
    return done.code, json.loads(done.out)


def saved(state, path):
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata={"format": "pt"})
    return path


@pytest.mark.parametrize("name", ["fsdp-qwen3-7ranks-uneven", "fsdp-qwen2-tied-4ranks", "hsdp-qwen2-2x2",
                                  "dcp-hsdp-tp-2x2x2", "dcp-zstd", "many_tiles"])
def test_a_checkpoint_and_its_conversion_are_the_same(name, checkpoint_dir, converted):
    checkpoint, output = checkpoint_dir(name) / "ckpt", converted(name)
    for options in ([], ["--threads", 1], ["--threads", 7, "--tile-mib", 1]):
        code, report = diff(checkpoint, output, *options)
        assert (code, report["same"], report["different"]) == (0, True, [])
    assert report["equal"] == len(read_tensors(output))


@pytest.mark.parametrize(("name", "needs_it"), [("dcp-zstd", True), ("fsdp-qwen3-4ranks", False)])
def test_the_temporary_directory_matters_only_to_what_is_packed(name, needs_it, tmp_path):
    command = [UNSHARD, "diff", GOLDEN / name / "ckpt", GOLDEN / name / "truth.safetensors"]
    gone = str(tmp_path / "gone")
    done = subprocess.run(command, env={"TMPDIR": gone}, capture_output=True, text=True, timeout=60)
    assert done.returncode == (2 if needs_it else 0)
    assert done.stderr.startswith(f"unshard: {gone}: cannot have the ") == needs_it, done.stderr


def test_a_cast_is_compared_by_value(tmp_path):
    code, report = diff(TRUTH, convert(TRUTH, tmp_path / "f16", "--dtype", "f16"))
    assert (code, report["equal"]) == (1, 0)
    half = {name: tensor.half() for name, tensor in read_tensors(TRUTH).items()}
    assert {entry["name"] for entry in report["different"]} == half.keys()
    for entry in report["different"]:
        wide, narrow = read_tensors(TRUTH)[entry["name"]].double(), half[entry["name"]].double()
        assert (entry["a"]["type"], entry["b"]["type"]) == ("bf16", "f16")
        assert entry["differing"] == (wide != narrow).sum()
        assert entry["max_difference"] == (wide - narrow).abs().max()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
                                   torch.float8_e5m2, torch.int64, torch.int8, torch.uint8])
def test_counts_and_differences_are_those_of_pytorch(dtype, tmp_path):
    torch.manual_seed(7)
    a = (torch.randn(97, 31, dtype=torch.float64) * 9).to(dtype)
    b = torch.where(torch.rand(97, 31) < 0.01, (torch.randn(97, 31, dtype=torch.float64) * 9).to(dtype).double(),
                    a.double()).to(dtype)
    code, report = diff(saved({"w": a}, tmp_path / "a.safetensors"), saved({"w": b}, tmp_path / "b.safetensors"))
    (entry,) = report["different"]
    differing = (bits(a).reshape(a.numel(), -1) != bits(b).reshape(b.numel(), -1)).any(dim=1)
    assert code == 1
    assert entry["differing"] == differing.sum()
    assert entry["first"]["element"] == differing.nonzero()[0]
    assert entry["max_difference"] == (a.double() - b.double()).abs().max()


def test_names_and_shapes_that_one_side_has(tmp_path):
    a = saved({"same": torch.zeros(2), "shape": torch.zeros(2, 3), "a": torch.zeros(1)}, tmp_path / "a.safetensors")
    b = saved({"same": torch.zeros(2), "shape": torch.zeros(3, 2), "b": torch.zeros(1)}, tmp_path / "b.safetensors")
    code, report = diff(a, b)
    assert (code, report["equal"]) == (1, 1)
    assert [t["name"] for t in report["only_in_a"]] == ["a"]
    assert [t["name"] for t in report["only_in_b"]] == ["b"]
    assert [(t["name"], t["compared"]) for t in report["different"]] == [("shape", "nothing")]


def test_names_are_brought_together_by_a_rename(tmp_path):
    state = {"backbone.w": torch.randn(5), "backbone.v": torch.randn(2, 2)}
    a = saved(state, tmp_path / "a.safetensors")
    b = saved({"model" + name[8:]: tensor for name, tensor in state.items()}, tmp_path / "b.safetensors")
    assert diff(a, b)[0] == 1
    assert diff(a, b, "--set-a", "select.rename=[{from = '^backbone', to = 'model'}]")[0] == 0


def test_memory_stays_at_a_few_tiles(tmp_path):
    big = saved({"w": torch.zeros(64 << 20, dtype=torch.float32)}, tmp_path / "a.safetensors")
    script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", script, UNSHARD, "diff", big, big, "--threads", "2", "--quiet"],
                          check=True, capture_output=True, text=True)
    assert int(done.stdout) < 100 * 1024
