"""torch.save states a CRC-32 for each storage. A flipped byte is an error that names file and tensor, whichever the rank."""
import io
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN, convert, unshard


def flip_in_a_storage(file: Path) -> None:
    """The middle byte of the largest storage of the archive, or of the last of several archives, in the file."""
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = max((e for e in archive.infolist() if "/data/" in e.filename), key=lambda e: e.file_size)
    name, extra = struct.unpack_from("<HH", data, entry.header_offset + 26)
    data[entry.header_offset + 30 + name + extra + entry.file_size // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("rank", range(4))
def test_a_flipped_byte_of_a_rank_file_is_named(rank, demo, refusal):
    file = demo / f"model_world_size_4_rank_{rank}.pt"
    flip_in_a_storage(file)
    said = refusal(demo)
    assert file.name in said and "checksum" in said and ("'model." in said or "'lm_head" in said)


def test_a_flipped_byte_of_a_distributed_checkpoint_is_named(tmp_path, refusal):
    checkpoint = Path(shutil.copytree(GOLDEN / "dcp-hsdp-tp-2x2x2/ckpt", tmp_path / "ckpt"))
    file = checkpoint / "dcp/__0_0.distcp"
    flip_in_a_storage(file)
    said = refusal(checkpoint)
    assert file.name in said and "checksum" in said


@pytest.mark.parametrize("is_stated", [True, False])
def test_a_file_without_checksums_is_read_as_it_is(is_stated, tmp_path):
    file = tmp_path / "ckpt/model_world_size_1_rank_0.pt"
    file.parent.mkdir()
    torch.serialization.set_crc32_options(is_stated)
    torch.save({"w": torch.arange(100_000)}, file)
    torch.serialization.set_crc32_options(True)
    assert convert(file.parent, tmp_path / "whole", "--assets", "none").exists()
    flip_in_a_storage(file)
    done = unshard("convert", file.parent, "-o", tmp_path / "flipped", "--assets", "none")
    assert done.code == (1 if is_stated else 0), done.err
