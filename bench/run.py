"""unshard against a plain copy of the same bytes and against verl's merger, in turn, in one run.

    run.py [--rounds 3] [--dir DIR] [--without-verl] [--keep]

Makes the checkpoint of make_large.py in DIR unless it is there, reads it once so that every run finds it in the page
cache, then runs each tool once a round. Prints medians and the largest resident memory of each tool. That cannot come
out below this process's own, about 15 MiB: a child starts as a copy of its parent.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
UNSHARD = Path(os.environ.get("UNSHARD_BIN", REPOSITORY / "build/bin/unshard"))
VERL = "verl==0.9.1"
VERL_IMPORTS = ["ray", "tensordict", "accelerate", "hydra-core"]


@dataclass
class Tool:
    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    peak_kib: int = 0
    failure: str = ""


def make_checkpoint(checkpoint: Path) -> None:
    """Made under another name first: a checkpoint that is there is a whole one."""
    if checkpoint.exists():
        return
    print(f"making {checkpoint} (3.4 GB) ...", flush=True)
    unfinished = checkpoint.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run([sys.executable, REPOSITORY / "bench/make_large.py", unfinished], check=True)
    unfinished.rename(checkpoint)


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


def tools_for(checkpoint: Path, output: Path, folder: Path, with_verl: bool) -> list[Tool]:
    tools = [Tool("cp -r", ["cp", "-r", str(checkpoint), str(output)]),
             Tool("unshard", [str(UNSHARD), "convert", str(checkpoint), "-o", str(output), "--quiet"])]
    if not with_verl:
        return tools
    verl = Tool(VERL, [])
    try:
        python = install_verl(folder / "verl-venv")
        verl.command = [str(python), "-m", "verl.model_merger", "merge", "--backend", "fsdp",
                        "--local_dir", str(checkpoint), "--target_dir", str(output)]
    except (OSError, subprocess.CalledProcessError) as error:
        verl.failure = f"not installed: {error}"
    return [*tools, verl]


def read_once(checkpoint: Path) -> None:
    for file in checkpoint.rglob("*.pt"):
        with open(file, "rb", buffering=0) as stream:
            while stream.read(1 << 20):
                pass


def run_once(tool: Tool, output: Path, log: Path) -> None:
    """Starts from a clean disk: no output, nothing of the last run left to be written back."""
    shutil.rmtree(output, ignore_errors=True)
    os.sync()
    with open(log, "wb") as stream:
        start = time.monotonic()
        child = subprocess.Popen(tool.command, cwd=output.parent, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        last_line = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
        tool.failure = f"exit code {child.returncode}: {last_line}"
        return
    tool.seconds.append(seconds)
    tool.peak_kib = max(tool.peak_kib, usage.ru_maxrss)


def print_table(tools: list[Tool], size: int) -> None:
    copied = statistics.median(tools[0].seconds)
    print(f"\n{size / 1e9:.2f} GB, {os.cpu_count()} cores, warm cache, median of the rounds\n")
    print(f"{'tool':<14} {'wall s':>8} {'x cp':>6} {'GB/s':>6} {'peak MiB':>9}")
    for tool in tools:
        if tool.failure:
            print(f"{tool.name:<14} {tool.failure}")
            continue
        wall = statistics.median(tool.seconds)
        print(f"{tool.name:<14} {wall:>8.2f} {wall / copied:>6.2f} {size / wall / 1e9:>6.2f} "
              f"{tool.peak_kib / 1024:>9.0f}")


def bench(folder: Path, rounds: int, with_verl: bool) -> bool:
    checkpoint, output, log = folder / "checkpoint", folder / "output", folder / "last.log"
    make_checkpoint(checkpoint)
    tools = tools_for(checkpoint, output, folder, with_verl)
    read_once(checkpoint)
    for number in range(1, rounds + 1):
        for tool in tools:
            if not tool.failure:
                run_once(tool, output, log)
                print(f"round {number}: {tool.name}: {tool.failure or f'{tool.seconds[-1]:.2f} s'}", flush=True)
    shutil.rmtree(output, ignore_errors=True)
    print_table(tools, sum(file.stat().st_size for file in checkpoint.rglob("*") if file.is_file()))
    return not any(tool.failure for tool in tools[:2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "unshard-bench")
    parser.add_argument("--without-verl", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the checkpoint and verl's environment in DIR")
    args = parser.parse_args()
    if not UNSHARD.exists():
        parser.error(f"{UNSHARD}: not there: build it first, or set UNSHARD_BIN")
    args.dir.mkdir(parents=True, exist_ok=True)
    passed = bench(args.dir.absolute(), args.rounds, not args.without_verl)
    if not args.keep:
        for made in ("checkpoint", "verl-venv"):
            shutil.rmtree(args.dir / made, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
