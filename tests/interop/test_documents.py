"""What the documents say is so: the README's commands, the names in the source."""
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


def test_what_the_architecture_names_is_in_the_source():
    root = TESTS.parent
    source = "\n".join(path.read_text() for folder in ("core", "plugins") for path in (root / folder).rglob("*")
                       if path.suffix in (".cpp", ".hpp", ".h"))
    words = set(re.findall(r"\w+", source))
    text = (root / "docs/architecture.md").read_text()
    named = {name.split("::")[-1] for name in re.findall(r"`(\w+(?:::\w+)+|\w*_\w+|[A-Z]\w+)`", text)}
    assert len(named) > 40 and not named - words
    paths = set(re.findall(r"`((?:core|plugins|tests|configs|docs)/[\w./-]+)`", text))
    assert len(paths) > 5 and not [path for path in paths if not (root / path).exists()]
