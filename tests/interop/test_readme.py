"""The README's commands do what it says they do, in the order in which it says so."""
import os
import re
import shutil
import subprocess

from conftest import GOLDEN, TESTS, UNSHARD

COMMAND = re.compile(r"^    (unshard [a-z].*)$", re.MULTILINE)


def test_every_command_of_the_readme_works(tmp_path):
    shutil.copytree(GOLDEN / "fsdp-qwen3-4ranks/ckpt", tmp_path / "global_step_186/actor")
    (tmp_path / "configs").symlink_to(TESTS.parent / "configs")
    commands = COMMAND.findall((TESTS.parent / "README.md").read_text())
    assert len(commands) >= 8
    path = f"{UNSHARD.parent}:{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=os.environ | {"PATH": path},
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stderr)
    assert {entry.name for entry in tmp_path.iterdir() if entry.name.startswith("my-model")} == {
        "my-model", "my-model.gguf", "my-model-2", "my-model-f16", "my-model-bf16.gguf", "my-model-4", "my-model-5",
        "my-model-5.gguf"}
