"""Damaged, contradictory and hostile checkpoints: one line that names the culprit, exit code 1, no output."""
import argparse
import copy
import dataclasses
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN, UNSHARD, convert, unshard
from tensors import assert_same_tensors, read_tensors
from torch.distributed.tensor import DTensor


def rank_file(checkpoint: Path, rank: int, world: int = 4) -> Path:
    return checkpoint / f"model_world_size_{world}_rank_{rank}.pt"


def rewrite(file: Path, edit: Callable[[str, bytes], bytes] = lambda name, data: data,
            compression: int = zipfile.ZIP_STORED) -> None:
    """The same archive again, every entry passed through edit; entries are named without their folder."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, edit(name.partition("/")[2], data))


def only_rank(folder: Path, state) -> Path:
    folder.mkdir()
    torch.save(state, rank_file(folder, 0, world=1))
    return folder


# --- files


@pytest.mark.parametrize("kept", [0, 100, 20_000, -1])
def test_a_truncated_rank_file_is_named(kept, demo, refusal):
    file = rank_file(demo, 2)
    file.write_bytes(file.read_bytes()[:kept])
    assert file.name in refusal(demo)


def test_a_rank_file_that_is_no_zip_is_named(demo, refusal):
    rank_file(demo, 1).write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 100)
    assert rank_file(demo, 1).name in refusal(demo)


def test_compressed_entries_are_refused(demo, refusal):
    rewrite(rank_file(demo, 1), compression=zipfile.ZIP_DEFLATED)
    said = refusal(demo)
    assert rank_file(demo, 1).name in said and "is compressed (method 8)" in said


def test_rewritten_but_stored_entries_are_read(demo, converted, tmp_path):
    rewrite(rank_file(demo, 1))
    output = convert(demo, tmp_path / "out")
    original = converted("fsdp-qwen3-4ranks") / "model.safetensors"
    assert (output / "model.safetensors").read_bytes() == original.read_bytes()


def test_a_storage_shorter_than_its_tensor_is_refused(demo, refusal):
    rewrite(rank_file(demo, 3), lambda name, data: data[:-2] if name == "data/0" else data)
    said = refusal(demo)
    assert rank_file(demo, 3).name in said and "data/0" in said


def test_a_big_endian_file_is_refused(demo, refusal):
    rewrite(rank_file(demo, 0), lambda name, data: b"big" if name == "byteorder" else data)
    assert "rank_0.pt: saved on a big-endian machine" in refusal(demo)


def test_a_missing_data_entry_is_refused(demo, refusal):
    with zipfile.ZipFile(rank_file(demo, 0)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/data/3")}
    with zipfile.ZipFile(rank_file(demo, 0), "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    assert rank_file(demo, 0).name in refusal(demo)


def test_a_path_that_is_not_there_is_named(tmp_path, refusal):
    assert "nowhere: there is no such file or directory" in refusal(tmp_path / "nowhere")


def test_a_directory_without_a_checkpoint_is_refused(tmp_path, refusal):
    (tmp_path / "empty").mkdir()
    assert "empty: no checkpoint here" in refusal(tmp_path / "empty")


SEVERAL = {  # a file -> what reads it
    "dcp/.metadata": ("convert", "dcp", "-o", "out"),
    "dcp/__3_0.distcp": ("convert", "dcp", "-o", "out"),
    "split/config.json": ("convert", "split", "-o", "out"),
    "split/tokenizer.json": ("convert", "split", "-o", "out.gguf"),
    "split/tokenizer_config.json": ("convert", "split", "-o", "out.gguf"),
    "split/model.safetensors.index.json": ("convert", "split", "-o", "out"),
    "split/model-00002-of-00003.safetensors": ("convert", "split", "-o", "out"),
    "ckpt/fsdp_config.json": ("convert", "ckpt", "-o", "out"),
    "x.gguf": ("inspect", "x.gguf"),
    "x.safetensors": ("diff", "x.safetensors", "split"),
    "p.toml": ("run", "p.toml"),
    "models/own.toml": ("run", "usual.toml"),
    "named/own.toml": ("convert", "split", "-o", "out", "--set", "output.options.model_dir=named"),
    "rules.toml": ("convert", "split", "-o", "out", "--merger", "tensor_parallel", "--rules", "rules.toml"),
}


@pytest.fixture
def said_of(tmp_path, demo):
    """What is said, in one line and soon, with one of `SEVERAL` made by `make`."""
    shutil.copytree(GOLDEN / "dcp-hsdp-tp-2x2x2/ckpt/dcp", tmp_path / "dcp")
    convert(demo, tmp_path / "split", "--max-shard-size", "30KB")
    (tmp_path / "usual.toml").write_text("version = 1\ninput.path = 'split'\n[[output]]\npath = 'out'\n")

    def said(name: str, make: Callable[[Path], None]) -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        make(file)
        before = set(tmp_path.iterdir())
        done = subprocess.run([UNSHARD, *SEVERAL[name]], cwd=tmp_path, capture_output=True, text=True, timeout=20)
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1 and len(done.stderr) < 500, done
        assert file.name in done.stderr and set(tmp_path.iterdir()) == before, done
        return done.stderr
    return said


@pytest.mark.parametrize("name", SEVERAL)
def test_a_pipe_in_place_of_any_file_is_named_at_once(name, said_of):
    assert re.search("not a regular file|neither a file nor a directory", said_of(name, os.mkfifo))


DEPTH = 100_000
DEEP = {
    ".json": ['{"a":' * DEPTH, "[" * DEPTH + "]" * DEPTH, '{"weight_map": ' + "[" * DEPTH],
    ".toml": [".".join(["a"] * DEPTH) + " = 1\n", f"[{'.'.join(['a'] * DEPTH)}]\n", "a = " + "[" * DEPTH + "]" * DEPTH,
              "a = " + "{a = " * DEPTH + "1" + "}" * DEPTH],
}


@pytest.mark.parametrize(("name", "text"), [
    pytest.param(name, text, id=f"{name}-{number}") for name in SEVERAL
    for number, text in enumerate(DEEP.get(Path(name).suffix, []))])
def test_deep_nesting_is_refused(name, text, said_of):
    assert "nested deeper" in said_of(name, lambda file: file.write_text(text))


# --- ranks


def test_a_missing_rank_is_named(demo, refusal):
    rank_file(demo, 2).unlink()
    assert "no file of rank 2 of a world size of 4" in refusal(demo)


def test_an_extra_rank_is_named(demo, refusal):
    shutil.copy(rank_file(demo, 0), rank_file(demo, 4))
    assert "a file of rank 4 of a world size of 4" in refusal(demo)


def test_two_world_sizes_in_one_directory_are_listed(demo, refusal):
    shutil.copy(rank_file(demo, 0), rank_file(demo, 0, world=8))
    said = refusal(demo)
    assert "'model_world_size_4_rank_*.pt' (4 files), 'model_world_size_8_rank_*.pt' (1 file)" in said


def test_swapped_rank_files_are_noticed(demo, refusal):
    rank_file(demo, 1).rename(demo / "aside")
    rank_file(demo, 2).rename(rank_file(demo, 1))
    (demo / "aside").rename(rank_file(demo, 2))
    said = refusal(demo)
    assert rank_file(demo, 1).name in said and "rank files were swapped or copied" in said


def test_a_copied_rank_file_is_noticed(demo, refusal):
    shutil.copy(rank_file(demo, 1), rank_file(demo, 3))
    assert rank_file(demo, 3).name in refusal(demo)


@pytest.mark.makes("left_to_right")
def test_an_uneven_split_that_pytorch_reads_in_two_ways_is_refused(checkpoint_dir, refusal):
    said = refusal(checkpoint_dir("left_to_right") / "ckpt")
    assert "'w'" in said and "FSDP and distribute_tensor give ranks different rows" in said


@pytest.mark.makes("fsdp2_4ranks_llama")
@pytest.mark.parametrize("other", ["fsdp2_4ranks_llama_longer", "fsdp2_4ranks_llama_f32", "fsdp2_4ranks_llama_deeper",
                                   "hsdp2_2x2_llama"])
@pytest.mark.parametrize("rank", [0, 3])
def test_a_rank_of_a_run_with_other_shapes_dtypes_keys_or_mesh_is_noticed(other, rank, checkpoint_dir, tmp_path,
                                                                          refusal):
    mixed = Path(shutil.copytree(checkpoint_dir("fsdp2_4ranks_llama") / "ckpt", tmp_path / "mixed"))
    shutil.copy(rank_file(checkpoint_dir(other) / "ckpt", rank), rank_file(mixed, rank))
    said = refusal(mixed)
    assert re.search(r"'model\..*: rank files of different runs are mixed", said)
    assert re.search(f"on rank 0 and .* on rank {rank or 1}:|ranks 0 and {rank or 1} disagree on its mesh:|"
                     f"missing in the file of ranks [0-3, ]+, present in that of rank {rank}:", said)


@pytest.mark.parametrize(("name", "expected"), [("buffers_differ", "counts: ranks 0 and 2 hold different values"),
                                                ("replicas_differ", "drifted: ranks 1 and 3 hold different values")])
def test_replicas_that_differ_are_named_with_their_ranks(name, expected, checkpoint_dir, refusal):
    assert expected in refusal(checkpoint_dir(name) / "ckpt")


@pytest.mark.makes("partial_maximum")
def test_a_partial_tensor_that_is_no_sum_is_refused_by_name(checkpoint_dir, refusal):
    assert "Partial(max)" in refusal(checkpoint_dir("partial_maximum") / "ckpt")


# --- pickles


def test_keys_that_are_no_strings_are_refused(tmp_path, refusal):
    said = refusal(only_rank(tmp_path / "ckpt", {0: torch.ones(3)}))
    assert "rank_0.pt: a key of the state dict is an integer" in said


def test_an_object_of_a_foreign_class_is_named_and_can_be_let_through(tmp_path, refusal):
    state = {"weight": torch.ones(3), "arguments": argparse.Namespace(lr=0.1)}
    checkpoint = only_rank(tmp_path / "ckpt", state)
    said = refusal(checkpoint)
    assert "argparse.Namespace" in said and "--opaque" in said
    output = convert(checkpoint, tmp_path / "out", "--opaque", "argparse.Namespace")
    assert list(read_tensors(output)) == ["weight"]


class Command:
    """Unpickles by running a shell command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_that_calls_the_system_is_named_and_never_run(tmp_path, refusal):
    marker = tmp_path / "marker"
    state = {"weight": torch.ones(3), "payload": Command(f"touch {marker}")}
    checkpoint = only_rank(tmp_path / "ckpt", state)
    assert f"{os.system.__module__}.system" in refusal(checkpoint)
    unshard("convert", checkpoint, "-o", tmp_path / "out", "--opaque", f"{os.system.__module__}.system")
    assert not marker.exists()


def test_a_pickle_cut_short_inside_a_whole_archive_is_refused(demo, refusal):
    rewrite(rank_file(demo, 0), lambda name, data: data[:-200] if name == "data.pkl" else data)
    assert rank_file(demo, 0).name in refusal(demo)


def test_a_tensor_of_an_unknown_placement_is_refused(demo, refusal):
    rewrite(rank_file(demo, 0), lambda name, data: data.replace(b"_types\nShard\n", b"_types\nShare\n"))
    assert "Share" in refusal(demo)


@pytest.mark.parametrize(("dtype", "said"), [(torch.float16, "it is bf16 (48, 32), its tensor_meta says f16 (48, 32)"),
                                             (torch.int16, "its tensor_meta says i16"), (None, "its dtype is None"),
                                             ("bfloat16", "its dtype is a text")])
def test_a_type_that_the_spec_alone_states_is_refused(dtype, said, demo, refusal):
    state = torch.load(rank_file(demo, 2), weights_only=False)
    name = "model.layers.0.mlp.gate_proj.weight"
    spec = state[name]._spec
    spec.tensor_meta = spec.tensor_meta._replace(dtype=dtype)
    torch.save(state, rank_file(demo, 2))
    found = refusal(demo)
    assert rank_file(demo, 2).name in found and name in found and said in found


def test_a_type_that_pytorch_does_not_have_is_refused_by_name(demo, refusal):
    rewrite(rank_file(demo, 0), lambda name, data: data.replace(b"ctorch\nbfloat16\n", b"ctorch\nbfloat17\n"))
    said = refusal(demo)
    assert rank_file(demo, 0).name in said and "torch.bfloat17" in said


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("are_equal", [True, False])
def test_thousands_of_meshes_are_one_when_they_are_equal_and_too_many_when_not(are_equal, tmp_path, refusal, monkeypatch):
    """A file may hold far fewer different ones than there are here."""
    monkeypatch.setattr("torch.distributed.device_mesh.logger.disabled", True)
    golden = torch.load(GOLDEN / "fsdp-llama-1rank/ckpt/model_world_size_1_rank_0.pt", weights_only=False)
    tensor = golden["model.norm.weight"]

    def on_a_mesh_of_its_own(number: int) -> DTensor:
        mesh = copy.copy(tensor._spec.mesh)
        if not are_equal:
            mesh._mesh_dim_names = (f"fsdp{number}",)
        return DTensor(tensor._local_tensor, dataclasses.replace(tensor._spec, mesh=mesh), requires_grad=False)
    checkpoint = only_rank(tmp_path / "ckpt", {f"w{i}": on_a_mesh_of_its_own(i) for i in range(4000)})
    if are_equal:
        written = read_tensors(convert(checkpoint, tmp_path / "out"))
        assert_same_tensors(written, {f"w{i}": tensor._local_tensor for i in range(4000)})
    else:
        assert "different meshes" in refusal(checkpoint)
