"""Random damage to DCP checkpoints: each gives the right bytes or an error, never wrong ones.

Not among it is what only PyTorch's metadata could know: two data files, or the places of two chunks, exchanged where
both hold chunks of the same shapes. The format has nothing to tell them apart by.
"""
import dataclasses
import pickle
import random
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN
from mutations import OF_FILES, copy_over, lengthen, outcomes_of, shift
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, TensorStorageMetadata

def tensors_of(metadata) -> dict[str, TensorStorageMetadata]:
    return {key: record for key, record in metadata.state_dict_metadata.items() if hasattr(record, "chunks")}


def any_chunk(metadata) -> tuple[str, TensorStorageMetadata, int]:
    key, record = random.choice(list(tensors_of(metadata).items()))
    return key, record, random.randrange(len(record.chunks))


def changed(size: torch.Size) -> torch.Size:
    numbers = list(size)
    i = random.randrange(len(numbers))
    numbers[i] = max(0, numbers[i] + random.choice([-3, -1, 1, 2, 1 << 40]))
    return torch.Size(numbers)


def lose_chunk(metadata) -> None:
    _, record, number = any_chunk(metadata)
    del record.chunks[number]


def lose_chunk_and_place(metadata) -> None:
    key, record, number = any_chunk(metadata)
    chunk = record.chunks.pop(number)
    metadata.storage_data = {index: place for index, place in metadata.storage_data.items()
                             if (index.fqn, index.offset) != (key, chunk.offsets)}


def lose_place(metadata) -> None:
    del metadata.storage_data[random.choice(list(metadata.storage_data))]


def repeat_chunk(metadata) -> None:
    _, record, number = any_chunk(metadata)
    record.chunks.append(record.chunks[number])


def move_chunk(metadata) -> None:
    _, record, number = any_chunk(metadata)
    chunk = record.chunks[number]
    record.chunks[number] = ChunkStorageMetadata(changed(chunk.offsets), chunk.sizes)


def resize_chunk(metadata) -> None:
    _, record, number = any_chunk(metadata)
    chunk = record.chunks[number]
    record.chunks[number] = ChunkStorageMetadata(chunk.offsets, changed(chunk.sizes))


def resize_tensor(metadata) -> None:
    _, record, _ = any_chunk(metadata)
    record.size = changed(record.size)


def change_dtype(metadata) -> None:
    _, record, _ = any_chunk(metadata)
    record.properties = dataclasses.replace(record.properties, dtype=torch.float16)


def move_place(metadata) -> None:
    place = random.choice(list(metadata.storage_data.values()))
    place.offset = max(0, place.offset + random.choice([-64, -1, 1, 1577, 1 << 40]))


def resize_place(metadata) -> None:
    place = random.choice(list(metadata.storage_data.values()))
    place.length = max(0, place.length + random.choice([-64, -1, 1, 1577, 1 << 40]))


def point_elsewhere(metadata) -> None:
    """Two chunks at one place."""
    one, other = random.sample(list(metadata.storage_data), 2)
    metadata.storage_data[one] = metadata.storage_data[other]


def forget_tensor(metadata) -> None:
    del metadata.state_dict_metadata[random.choice(list(tensors_of(metadata)))]


OF_METADATA = [lose_chunk, lose_chunk_and_place, lose_place, repeat_chunk, move_chunk, resize_chunk, resize_tensor,
               change_dtype, move_place, resize_place, point_elsewhere, forget_tensor]
DCP = ["dcp-hsdp-tp-2x2x2", "dcp-metadata-of-each-rank", "dcp-of-safetensors", "dcp-zstd"]


def damage_metadata(folder: Path, mutation) -> None:
    file = random.choice(sorted(folder.glob("*.metadata")) or [folder / ".metadata"])
    metadata = pickle.loads(file.read_bytes())
    mutation(metadata)
    file.write_bytes(pickle.dumps(metadata))


@pytest.mark.parametrize("mutation", OF_FILES + OF_METADATA)
@pytest.mark.parametrize("golden", DCP)
def test_a_damaged_dcp_checkpoint_gives_the_right_bytes_or_an_error(golden, mutation, tmp_path):
    def damage(checkpoint: Path) -> None:
        if mutation in OF_FILES:
            mutation(sorted(checkpoint.glob("dcp/*.distcp")))
        else:
            damage_metadata(checkpoint / "dcp", mutation)

    outcomes = outcomes_of(GOLDEN / golden, f"{golden} {mutation.__name__}", 4, damage, tmp_path)
    harmless = {lengthen, repeat_chunk, copy_over, shift}
    if golden == "dcp-metadata-of-each-rank":
        harmless |= {lose_chunk_and_place, forget_tensor}  # another rank has a replica
    if golden == "dcp-of-safetensors":
        harmless |= {resize_place}  # the safetensors header says how long each tensor is
    assert mutation in harmless or not all(outcomes), "no damage was noticed"
