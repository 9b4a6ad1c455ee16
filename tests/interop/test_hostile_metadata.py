"""Small .metadata files made to cost much: refused soon, in little memory, with a word on what is wrong."""
import os
import pickle
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN, UNSHARD
from torch.distributed.checkpoint.metadata import MetadataIndex


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return shutil.copytree(GOLDEN / "dcp-of-safetensors/ckpt/dcp", tmp_path / "dcp")


def change(checkpoint: Path, edit) -> None:
    file = checkpoint / ".metadata"
    metadata = pickle.loads(file.read_bytes())
    edit(metadata)
    file.write_bytes(pickle.dumps(metadata))


def refused(checkpoint: Path) -> str:
    """In 400 MB and 20 seconds."""
    limit = 400 << 20
    done = subprocess.run([UNSHARD, "plan", checkpoint, "-o", checkpoint.parent / "out", "--threads", "1"], timeout=20,
                          capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_paths_that_share_one_long_key(checkpoint):
    key = "k" * 60_000
    change(checkpoint, lambda m: [m.planner_data.update({f"x{i}": (key,) * 60}) or
                                  m.state_dict_metadata.update({f"x{i}": m.state_dict_metadata["step"]})
                                  for i in range(300)])
    assert "the keys of its path take" in refused(checkpoint)


def test_a_name_that_is_too_long(checkpoint):
    change(checkpoint, lambda m: m.planner_data.update({next(iter(m.planner_data)): ("k" * 100_000,)}))
    assert "the keys of its path take 100000 bytes" in refused(checkpoint)


def test_one_long_name_in_many_places(checkpoint):
    name = "n" * 300_000

    def edit(metadata) -> None:
        place = next(iter(metadata.storage_data.values()))
        metadata.storage_data = {MetadataIndex(name, torch.Size([i])): place for i in range(20_000)}
    change(checkpoint, edit)
    assert "was not saved: the metadata says no place for it" in refused(checkpoint)


def test_one_list_of_chunks_for_many_tensors(checkpoint):
    def edit(metadata) -> None:
        record = next(r for r in metadata.state_dict_metadata.values() if hasattr(r, "chunks"))
        record.chunks = record.chunks[:1] * 3000
        metadata.state_dict_metadata.update({f"model.x{i}": record for i in range(3000)})
        metadata.planner_data.update({f"model.x{i}": ("model", f"x{i}") for i in range(3000)})
    change(checkpoint, edit)
    assert "more chunks than the file has room for" in refused(checkpoint)


def test_metadata_that_is_a_hole(checkpoint):
    os.truncate(checkpoint / ".metadata", 1 << 30)
    assert "nothing but zeros" in refused(checkpoint)


@pytest.mark.parametrize(("path", "what"), [("a\0b", "holds a zero byte"),
                                            ("../__0_0.distcp", "outside the checkpoint's directory"),
                                            ("/etc/passwd", "outside the checkpoint's directory")])
def test_a_path_that_leads_elsewhere(path, what, checkpoint):
    def edit(metadata) -> None:
        for place in metadata.storage_data.values():
            place.relative_path = path
    change(checkpoint, edit)
    assert what in refused(checkpoint)


def test_properties_with_too_few_fields(checkpoint, monkeypatch):
    file = checkpoint / ".metadata"
    metadata = pickle.loads(file.read_bytes())
    properties = type(next(r for r in metadata.state_dict_metadata.values() if hasattr(r, "properties")).properties)
    monkeypatch.setattr(properties, "__getstate__", lambda self: (self.dtype,))
    file.write_bytes(pickle.dumps(metadata))
    assert "the number of its properties is 1, not 5" in refused(checkpoint)
