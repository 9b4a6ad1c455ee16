"""unshard beside torch.load, on pickles that PyTorch would not write: the same tensors, or an error.

`./dev fuzz` goes through thousands more of them (UNSHARD_ORACLE_SEEDS).
"""
import os
import random

import pytest
from odd_pickles import FORMS, damaged, odd_state_dict, outside_of_storages, usual_archive, usual_file
from torch_oracle import agrees, file_for, load, reads, tensors_of, truth_of

SEEDS = int(os.environ.get("UNSHARD_ORACLE_SEEDS", "150"))

pytestmark = [pytest.mark.parametrize("form", FORMS), pytest.mark.parametrize("reader", ["fsdp", "torch_file"])]


@pytest.fixture
def file(reader, tmp_path):
    return file_for(reader, tmp_path)


def outcomes(archive_of, file, undamaged=None) -> list[bool]:
    found = []
    for seed in range(SEEDS):
        try:
            found.append(agrees(archive_of(seed), file, undamaged))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    return found


def test_the_pickle_that_is_damaged_below_is_read(form, file):
    assert agrees(usual_archive(form), file)


def test_odd_state_dicts_give_the_tensors_of_torch_load_or_an_error(form, file):
    read = outcomes(lambda seed: odd_state_dict(seed, form), file)
    assert len(read) / 10 < sum(read) < len(read), "all or nearly none were read"


def test_damaged_pickles_give_the_tensors_of_torch_load_or_an_error(form, file):
    usual = usual_archive(form)
    read = outcomes(lambda seed: damaged(usual, seed), file, usual)
    assert len(read) / 20 < sum(read) < len(read), "all or nearly none were read"


def test_a_changed_byte_outside_of_the_storages_gives_the_same_tensors_or_an_error(form, file):
    whole = usual_file(form)
    file.write_bytes(whole)
    truth = tensors_of(load(file))
    places = outside_of_storages(whole, form)

    def with_a_changed_byte(seed: int) -> bool:
        draw = random.Random(seed)
        data, at = bytearray(whole), draw.choice(places)
        data[at] ^= 1 << draw.randrange(8)
        file.write_bytes(data)
        # An archive has checksums of its pickle.
        return reads(file, lambda: truth if form == "zip" else truth_of(file, lambda: truth))
    # Padding, times, versions of the writer and the serialization's id say nothing.
    assert sum(with_a_changed_byte(seed) for seed in range(SEEDS)) < SEEDS * 0.6
