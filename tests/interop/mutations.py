"""What tests of random damage share: damage to files, and the verdict: the right bytes or an error."""
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from conftest import unshard
from tensors import assert_same_tensors, read_tensors


def remove(files: list[Path]) -> None:
    random.choice(files).unlink()


def truncate(files: list[Path]) -> None:
    file = random.choice(files)
    data = file.read_bytes()
    file.write_bytes(data[:random.randrange(len(data))])


def lengthen(files: list[Path]) -> None:
    file = random.choice(files)
    file.write_bytes(file.read_bytes() + bytes(random.randrange(1, 100)))


def shift(files: list[Path]) -> None:
    """All bytes behind some place move."""
    file = random.choice(files)
    data, at = file.read_bytes(), random.randrange(200)
    file.write_bytes(data[:at] + b"\0" * random.choice([1, 64]) + data[at:])


def copy_over(files: list[Path]) -> None:
    source, target = random.sample(files, 2)
    if source.stat().st_size != target.stat().st_size:
        shutil.copyfile(source, target)


def edit_safetensors(file: Path, edit: Callable[[dict], None]) -> None:
    """Changes a safetensors file's header; the tensors' bytes stay."""
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    edit(header)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


OF_FILES = [remove, truncate, lengthen, shift, copy_over]


def gives_the_right_bytes(checkpoint: Path, truth: Path, what: str) -> bool:
    """Or False for an error; wrong bytes fail. The directory for the output is used again and again."""
    output = checkpoint.parent / "out"
    done = unshard("convert", checkpoint, "-o", output, "--force", "--quiet")
    assert done.code in (0, 1), (what, done.err)
    if done.code == 0:
        assert_same_tensors(read_tensors(output), read_tensors(truth))
    return done.code == 0


def outcomes_of(golden: Path, label: str, seeds: int, damage: Callable[[Path], None], folder: Path) -> list[bool]:
    """What `gives_the_right_bytes` says of `seeds` copies of a golden checkpoint, each damaged at random."""
    outcomes = []
    for seed in range(seeds):
        random.seed(f"{label} {seed}")
        checkpoint = Path(shutil.copytree(golden / "ckpt", folder / str(seed) / "ckpt"))
        damage(checkpoint)
        outcomes.append(gives_the_right_bytes(checkpoint, golden / "truth.safetensors", f"{label} {seed}"))
    return outcomes
