"""What the program takes of the system, and what it does where the system gives little."""
import fcntl
import json
import os
import pty
import resource
import shutil
import struct
import subprocess
import tempfile
import termios
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN, UNSHARD
from tensors import assert_same_tensors, read_tensors

DEMO = GOLDEN / "fsdp-qwen3-4ranks"


def as_user(*changes: str) -> list[str]:
    """Root may do everything: the words in front of a command that take that from it."""
    return ["setpriv", *changes] if os.geteuid() == 0 else []


def run(*words, limit=None, of=resource.RLIMIT_NOFILE) -> subprocess.CompletedProcess:
    """With at most `limit` of something."""
    lower = None if limit is None else lambda: resource.setrlimit(of, (limit, limit))
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, preexec_fn=lower)


def test_the_peak_of_memory_is_the_programs_own_not_that_of_who_started_it(tmp_path):
    ballast = bytearray(os.urandom(1 << 20) * 400)
    held = int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS:")).split()[1]) << 10
    assert held > len(ballast)
    done = run(UNSHARD, "convert", DEMO / "ckpt", "-o", tmp_path / "out", "--json")
    assert 1 << 20 < json.loads(done.stdout)["peak_memory_bytes"] < 150 << 20, done


def test_more_rank_files_than_the_process_may_open_give_the_right_bytes(tmp_path):
    ranks, checkpoint = 150, tmp_path / "ckpt"
    checkpoint.mkdir()
    torch.manual_seed(1)
    whole = {name: torch.randn(ranks, 3).to(torch.bfloat16) for name in ("a", "b", "c")}
    for rank in range(ranks):
        torch.save({name: tensor[rank:rank + 1].clone() for name, tensor in whole.items()},
                   checkpoint / f"model_world_size_{ranks}_rank_{rank}.pt")
    done = run(UNSHARD, "convert", checkpoint, "-o", tmp_path / "out", "--merger", "concat", "--threads", "4", limit=48)
    assert done.returncode == 0, done
    assert_same_tensors(read_tensors(tmp_path / "out"), whole)


@pytest.fixture
def open_to_all():
    """A directory with the checkpoint: pytest's own are open to their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(DEMO / "ckpt", f"{folder}/ckpt")
        os.chmod(folder, 0o777)
        yield Path(folder)


def test_where_no_thread_can_be_made_there_is_one(open_to_all):
    """The limit does not hold for root. The program may lie where only root finds it."""
    user = as_user("--reuid=65534", "--clear-groups", "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    assert "fork" in run(*user, "sh", "-c", "(true)", limit=1, of=resource.RLIMIT_NPROC).stderr
    done = run(*user, UNSHARD, "convert", open_to_all / "ckpt", "-o", open_to_all / "out", "--threads", "4", limit=1,
               of=resource.RLIMIT_NPROC)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert_same_tensors(read_tensors(open_to_all / "out"), read_tensors(DEMO / "truth.safetensors"))


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "1>&- 2>&-", "2>&-", "1>&-", "0<&- 2>&-"])
@pytest.mark.parametrize("limit", ["10KB", "1GB"])
def test_what_is_printed_to_a_closed_stream_does_not_go_into_an_output(closed, limit, tmp_path):
    command = [UNSHARD, "convert", DEMO / "ckpt", "-o", tmp_path / "out", "--max-shard-size", limit]
    done = run("sh", "-c", f'"$0" "$@" --progress always {closed}', *command)
    assert done.returncode == 0, done
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(DEMO / "truth.safetensors"))
    for file in (DEMO / "ckpt/huggingface").iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
    assert ("summary is not printed" in done.stderr) == (closed == "1>&-")


@pytest.mark.parametrize("closed", ["", "huggingface", "huggingface/config.json", "huggingface/tokenizer.json",
                                    "model_world_size_4_rank_1.pt", "fsdp_config.json"])
@pytest.mark.parametrize("output", ["hf", "m.gguf"])
def test_what_may_not_be_read_is_not_taken_for_absent(closed, output, tmp_path):
    checkpoint = shutil.copytree(DEMO / "ckpt", tmp_path / "ckpt")
    (checkpoint / closed).chmod(0)
    done = run(*as_user("--bounding-set=-dac_override,-dac_read_search"), UNSHARD, "convert", checkpoint, "-o",
               tmp_path / output)
    (checkpoint / closed).chmod(0o755)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert str(checkpoint / closed) in done.stderr and "permission denied" in done.stderr.lower()
    assert [file.name for file in tmp_path.iterdir()] == ["ckpt"]


@pytest.mark.parametrize(("closed", "code"), [("actor", 1), ("critic", 0)])
def test_a_directory_that_may_not_be_looked_into_is_told(closed, code, tmp_path):
    """There may be another checkpoint in it, or the one that is wanted."""
    shutil.copytree(DEMO / "ckpt", tmp_path / "step/actor")
    (tmp_path / "step/critic").mkdir()
    (tmp_path / "step" / closed).chmod(0)
    done = run(*as_user("--bounding-set=-dac_override,-dac_read_search"), UNSHARD, "convert", tmp_path / "step", "-o",
               tmp_path / "out")
    (tmp_path / "step" / closed).chmod(0o755)
    assert done.returncode == code, done
    if code == 1:
        assert f"'{tmp_path / 'step' / closed}' may not be read" in done.stderr
    else:
        assert f"{closed}: a directory that may not be read" in done.stdout


def seen_on_a_terminal(columns: int, *words) -> str:
    """What a terminal gets as standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=theirs, timeout=120)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    os.close(ours)
    assert done.returncode == 0, seen
    return seen.decode()


def test_a_terminal_shows_one_line_that_is_rewritten_and_gone_at_the_end(tmp_path):
    seen = seen_on_a_terminal(80, UNSHARD, "convert", DEMO / "ckpt", "-o", tmp_path / "out")
    lines = seen.split("\r\x1b[K")
    assert [line for line in lines if line.endswith(" ...")] == \
        [f"{name} ..." for name in ("index", "plan", "select", "lay out", "verify", "copy")]
    assert lines[0] == lines[-1] == "" and "\n" not in seen


def test_a_line_does_not_wrap_on_a_narrow_terminal(tmp_path):
    seen = seen_on_a_terminal(8, UNSHARD, "convert", DEMO / "ckpt", "-o", tmp_path / "out")
    lines = seen.split("\r\x1b[K")
    assert "lay out" in lines and max(map(len, lines)) == 7


def test_quiet_shows_nothing_on_a_terminal(tmp_path):
    assert seen_on_a_terminal(80, UNSHARD, "convert", DEMO / "ckpt", "-o", tmp_path / "out", "--quiet") == ""
