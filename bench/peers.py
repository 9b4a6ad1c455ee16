"""The tools that unshard is measured against."""
import subprocess
import sys
import venv
from pathlib import Path

from measure import Tool

VERL = "verl==0.9.1"
VERL_IMPORTS = ["ray", "tensordict", "accelerate", "hydra-core"]
# What llama-quantize does, without its start: enum llama_ftype's number, source, output, threads.
QUANTIZE = """
import ctypes, sys, time, llama_cpp
params = llama_cpp.llama_model_quantize_default_params()
params.ftype, params.nthread = int(sys.argv[1]), int(sys.argv[4])
start = time.monotonic()
assert llama_cpp.llama_model_quantize(sys.argv[2].encode(), sys.argv[3].encode(), ctypes.byref(params)) == 0
print("seconds", time.monotonic() - start)
"""


def install_verl(folder: Path) -> Path:
    """An environment over this one, so that torch and transformers are the same; verl itself without what it does not
    need to merge. Returns its Python."""
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        print(f"installing {VERL} ...", flush=True)
        venv.create(folder, clear=True, symlinks=True)
        packages = [path for path in sys.path if path.endswith("-packages")]
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (folder / "lib" / version / "site-packages/parent.pth").write_text("\n".join(packages) + "\n")
        pip = [python, "-m", "pip", "install", "-qq"]
        for arguments in ([*pip, *VERL_IMPORTS], [*pip, "--no-deps", VERL],
                          [python, "-c", "import verl.model_merger.base_model_merger"]):
            subprocess.run(arguments, check=True, cwd=folder)
        (folder / "ready").touch()
    return python


def verl_merger(checkpoint: Path, output: Path, folder: Path) -> Tool:
    tool = Tool(VERL, [])
    try:
        tool.command = [install_verl(folder), "-m", "verl.model_merger", "merge", "--backend", "fsdp", "--local_dir",
                        checkpoint, "--target_dir", output]
    except (OSError, subprocess.CalledProcessError) as error:
        tool.failure = f"not installed: {error}"
    return tool


def quantize(name: str, file_type: int, source: Path, output: Path, threads: int) -> Tool:
    return Tool(f"llama-quantize {name}", [sys.executable, "-c", QUANTIZE, file_type, source, output, threads])
