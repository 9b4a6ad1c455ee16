"""Every checkpoint is made, and converted, once a session; tests ask for it by name and must not write into it."""
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
GOLDEN = TESTS / "golden"
sys.path.insert(0, str(TESTS / "support"))
pytest.register_assert_rewrite("llama_tools", "tensors")
UNSHARD = Path(os.environ.get("UNSHARD_BIN", TESTS.parent / "build/bin/unshard")).absolute()


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


def unshard(*arguments) -> Run:
    done = subprocess.run([UNSHARD, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return Run(done.returncode, done.stdout, done.stderr)


def convert(checkpoint: Path, output: Path, *options) -> Path:
    done = unshard("convert", checkpoint, "-o", output, *options)
    assert done.code == 0, done.err
    return output


def pytest_sessionstart() -> None:
    if not UNSHARD.exists():
        pytest.exit(f"{UNSHARD}: not there: build it first, or set UNSHARD_BIN", returncode=2)


def is_golden(name: str) -> bool:
    return (GOLDEN / name).is_dir()


@pytest.fixture(scope="session")
def checkpoint_dir(request, tmp_path_factory) -> Callable[[str], Path]:
    """Name of a fixture or a scenario -> the directory with its ckpt/ and truth.safetensors."""
    folder = tmp_path_factory.mktemp("checkpoints")
    wanted = {value for item in request.session.items if hasattr(item, "callspec")
              for value in item.callspec.params.values() if isinstance(value, str)}
    wanted |= {name for item in request.session.items for mark in item.iter_markers("makes") for name in mark.args}
    from make_checkpoints import SCENARIOS
    # In a process of its own, all at once: ranks are forked, and torch is imported only once.
    subprocess.run([sys.executable, TESTS / "support/make_checkpoints.py", folder, *sorted(wanted & set(SCENARIOS))],
                   check=True, timeout=900)
    return lambda name: GOLDEN / name if is_golden(name) else folder / name


@pytest.fixture(scope="session")
def converted(checkpoint_dir, tmp_path_factory) -> Callable[[str], Path]:
    """Name -> the directory that `unshard convert` makes of it, with no option given."""
    folder, made = tmp_path_factory.mktemp("converted"), {}

    def output_of(name: str) -> Path:
        if name not in made:
            # Buffers that the model's class does not have are written only when asked for.
            options = ("--keep", "a_step|ema_scale|expert_counts") if "buffers" in name else ()
            made[name] = convert(checkpoint_dir(name) / "ckpt", folder / name, *options)
        return made[name]
    return output_of


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Callable[..., Path]:
    """Name and dtype of a model of gguf_models.py -> the directory of its hf/ and ckpt/."""
    from gguf_models import save_model

    @cache
    def made(name: str, *dtype) -> Path:
        folder = tmp_path_factory.mktemp("tiny")
        save_model(name, folder, *dtype)
        return folder
    return made


@pytest.fixture
def demo(tmp_path) -> Path:
    """A copy, to be damaged, of the rank files and the assets of the demo checkpoint."""
    return Path(shutil.copytree(GOLDEN / "fsdp-qwen3-4ranks/ckpt", tmp_path / "ckpt"))


@pytest.fixture
def refusal(tmp_path) -> Callable[..., str]:
    """Converts and expects failure, with and without an existing output. Returns what was said, without the directories
    whose names repeat what the test is about."""
    def refuse(checkpoint: Path, *options) -> str:
        output, existing = tmp_path / "refused", tmp_path / "existing"
        existing.mkdir(exist_ok=True)
        (existing / "model.safetensors").write_bytes(b"precious")
        before = set(tmp_path.iterdir())
        done = unshard("convert", checkpoint, "-o", output, *options)
        forced = unshard("convert", checkpoint, "-o", existing, "--force", *options)
        assert (done.code, forced.code) == (1, 1), done.err
        said = [line for line in done.err.splitlines() if not line.startswith("unshard: warning: ")]
        assert len(said) == 1 and said[0].startswith("unshard: "), done.err
        assert done.out == ""
        assert set(tmp_path.iterdir()) == before
        assert {file.name: file.read_bytes() for file in existing.iterdir()} == {"model.safetensors": b"precious"}
        return said[0].replace(str(Path(checkpoint).parent), "DIR").replace(str(tmp_path), "DIR")
    return refuse
