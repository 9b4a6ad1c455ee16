"""Every system call of a conversion fails once, and the process is killed, and asked to end, once at each: the outputs are
complete, or what was there before; one line says why; nothing is left, or the next run removes it.

A few hundred of them here; all with UNSHARD_FAULTS=all, as ./dev faults does.
"""
import errno
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import GOLDEN, UNSHARD

SHIM = UNSHARD.parents[1] / "tests/faults/fault_shim.so"
PIPELINE = """version = 1
[input]
path = "{input}"
[[output]]
path = "{folder}/link/hf"
dtype = "{dtype}"
[[output]]
path = "{folder}/m.gguf"
dtype = "{dtype}"
[engine]
threads = 1
"""
ERRORS = {"open": errno.EMFILE, "read": errno.EIO, "write": errno.ENOSPC, "claim": errno.EDQUOT, "sync": errno.EIO,
          "rename": errno.EACCES, "close": errno.EDQUOT, "mkdir": errno.EROFS, "stat": errno.ESTALE}
EVERY = 1 if os.environ.get("UNSHARD_FAULTS") == "all" else 7


def run(folder, **fault):
    environment = os.environ | {"LD_PRELOAD": str(SHIM)} | {f"FAULT_{name}": str(value) for name, value in fault.items()}
    return subprocess.run([UNSHARD, "run", folder / "p.toml", "--force", "--quiet"], env=environment, text=True,
                          capture_output=True, timeout=120)


def contents(folder):
    """Every file below, by name, with its bytes; directories with None."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*") if not path.is_symlink()}


def write_pipeline(folder, dtype):
    (folder / "p.toml").write_text(PIPELINE.format(input=GOLDEN / "fsdp-qwen3-4ranks/ckpt", folder=folder, dtype=dtype))


@pytest.fixture(scope="module", params=["replaced", "fresh"])
def scene(request, tmp_path_factory):
    """A directory before and after a conversion to two outputs, one behind a link, with old ones or without."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    if request.param == "replaced":
        write_pipeline(folder, "f32")
        assert run(folder).returncode == 0
    write_pipeline(folder, "bf16")
    before = folder.with_name(folder.name + "-before")
    shutil.copytree(folder, before, symlinks=True)
    assert run(folder).returncode == 0
    return folder, before, contents(folder)


def reset(folder, before):
    shutil.rmtree(folder)
    shutil.copytree(before, folder, symlinks=True)


def count_of(folder, kind):
    counted = folder.with_name("count")
    assert run(folder, KIND=kind, AT=0, COUNT=counted).returncode == 0
    return int(counted.read_text())


def points(scene, kind):
    folder, before, _ = scene
    reset(folder, before)
    count = count_of(folder, kind)
    assert count > 0
    return [*range(1, count + 1, EVERY), *range(max(1, count - 4), count + 1)]


@pytest.mark.parametrize("kind", ERRORS)
def test_a_call_that_fails_leaves_all_of_the_new_outputs_or_all_of_the_old_ones(scene, kind):
    folder, before, complete = scene
    for at in points(scene, kind):
        reset(folder, before)
        done = run(folder, KIND=kind, AT=at, ERRNO=ERRORS[kind])
        where = f"{kind} {at}: {done.returncode} {done.stderr}"
        assert done.returncode in (0, 1, 2), where
        if done.returncode == 0:
            assert contents(folder) == complete, where
            continue
        assert done.stderr.startswith("unshard: ") and done.stderr.count("\n") == 1, where
        assert "internal error" not in done.stderr, where
        assert contents(folder) == contents(before), where


@pytest.mark.parametrize("kind", ERRORS)
def test_a_process_that_is_killed_leaves_whole_outputs_and_the_next_one_cleans_up(scene, kind):
    folder, before, complete = scene
    old = contents(before)
    for at in points(scene, kind):
        reset(folder, before)
        done = run(folder, KIND=kind, AT=at, SIGNAL=int(signal.SIGKILL))
        assert done.returncode == -signal.SIGKILL, (kind, at, done)
        left = contents(folder)
        for output in ("real/hf", "m.gguf"):
            whole = [{name: value for name, value in state.items() if name == output or name.startswith(output + "/")}
                     for state in (left, old, complete)]
            assert whole[0] in whole[1:], (kind, at, output)
        again = run(folder)
        assert again.returncode == 0, (kind, at, again.stderr)
        assert contents(folder) == complete, (kind, at)


@pytest.mark.parametrize("kind", ERRORS)
def test_a_process_that_is_asked_to_end_leaves_all_of_the_new_outputs_or_all_of_the_old_ones(scene, kind):
    folder, before, complete = scene
    ended = 0
    for at in points(scene, kind):
        reset(folder, before)
        done = run(folder, KIND=kind, AT=at, SIGNAL=int(signal.SIGTERM))
        assert done.returncode in (0, -signal.SIGTERM), (kind, at, done)
        left = contents(folder)
        assert left == complete or done.returncode != 0 and left == contents(before), (kind, at, done)
        ended += done.returncode != 0
    assert ended > 0


def test_a_close_that_is_interrupted_is_no_failure(scene):
    folder, _, complete = scene
    for at in points(scene, "close"):
        reset(folder, scene[1])
        done = run(folder, KIND="close", AT=at, ERRNO=errno.EINTR)
        assert (done.returncode, done.stderr) == (0, "") and contents(folder) == complete, (at, done)


@pytest.mark.parametrize("kind", ["open", "list", "stat"])
def test_a_directory_that_cannot_be_looked_through_is_not_taken_for_an_empty_one(kind, tmp_path):
    """Two checkpoints lie below: that one of them is not seen must not choose the other."""
    command = [UNSHARD, "plan", GOLDEN / "dcp-zstd", "-o", tmp_path / "out"]

    def plan(**fault):
        environment = os.environ | {"LD_PRELOAD": str(SHIM)} | {f"FAULT_{name}": str(value) for name, value in fault.items()}
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)
    counted = tmp_path / "count"
    assert "holds 2 checkpoints" in plan(KIND=kind, AT=0, COUNT=counted).stderr
    for at in range(1, int(counted.read_text()) + 1):
        done = plan(KIND=kind, AT=at, ERRNO=ERRORS.get(kind, errno.EIO))
        assert done.returncode == 1 and done.stderr.count("\n") == 1, (at, done)
