"""unshard against a plain copy of the same bytes and against the tools that people use now, in turn, in one run.

    run.py [SUITE...] [--rounds 3] [--dir DIR] [--without-verl] [--keep]

hf      FSDP rank files to a Hugging Face directory: cp -r, unshard, verl's merger
rows    the same weights split along dimension 1, the order in which shards interleave: cp -r, unshard
gguf    FSDP rank files to GGUF: cp -r, unshard bf16, and q8_0 and q4_k_m beside llama-quantize (from a bf16 GGUF file)
index   everything before the first byte, for 8 to 64 ranks of 311 small tensors: is it linear in shards?

Checkpoints are made in DIR unless they are there, and read once so that every run finds them in the page cache. Prints
medians and the largest resident memory of each tool. That cannot come out below this process's own, about 15 MiB: a
child starts as a copy of its parent.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Tool, print_table, read_once, remove, run_rounds, size_of
from peers import quantize, verl_merger

REPOSITORY = Path(__file__).resolve().parent.parent
UNSHARD = Path(os.environ.get("UNSHARD_BIN", REPOSITORY / "build/bin/unshard"))
INDEX_RANKS = [8, 16, 32, 64]
MADE = ["fsdp", "rows", "index-*", "verl-venv", "bf16.gguf", "last.log"]  # in DIR, which may hold other things


def make_checkpoint(checkpoint: Path, *arguments) -> Path:
    """Made under another name first: a checkpoint that is there is a whole one. In a process of its own, whose memory
    is not ours."""
    if not checkpoint.exists():
        print(f"making {checkpoint} ...", flush=True)
        unfinished = checkpoint.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        words = map(str, [sys.executable, REPOSITORY / "bench/checkpoints.py", unfinished, *arguments])
        subprocess.run(list(words), check=True)
        unfinished.rename(checkpoint)
    read_once(checkpoint)
    return checkpoint


def copied(checkpoint: Path, output: Path) -> Tool:
    return Tool("cp -r", ["cp", "-r", checkpoint, output])


def converted(name: str, checkpoint: Path, output: Path, *options) -> Tool:
    return Tool(name, [UNSHARD, "convert", checkpoint, "-o", output, "--quiet", "--no-sync", *options])


def title(what: str, checkpoint: Path) -> str:
    return f"{what}: {size_of(checkpoint) / 1e9:.2f} GB"


def bench_hf(args) -> list[Tool]:
    checkpoint, output = make_checkpoint(args.dir / "fsdp"), args.dir / "output"
    tools = [copied(checkpoint, output), converted("unshard", checkpoint, output)]
    if not args.without_verl:
        tools.append(verl_merger(checkpoint, output, args.dir / "verl-venv"))
    run_rounds(tools, args.rounds, output)
    print_table(title("FSDP to Hugging Face", checkpoint), tools)
    return tools[:2]


def bench_rows(args) -> list[Tool]:
    checkpoint, output = make_checkpoint(args.dir / "rows", "--dim", 1), args.dir / "output"
    tools = [copied(checkpoint, output), converted("unshard", checkpoint, output)]
    run_rounds(tools, args.rounds, output)
    print_table(title("Shards along dimension 1 to Hugging Face", checkpoint), tools)
    return tools


def bench_gguf(args) -> list[Tool]:
    checkpoint, output, cores = make_checkpoint(args.dir / "fsdp"), args.dir / "output.gguf", os.cpu_count()
    bf16 = args.dir / "bf16.gguf"
    if not bf16.exists():
        subprocess.run([UNSHARD, "convert", checkpoint, "-o", bf16, "--dtype", "bf16", "--quiet"], check=True)
    ours = [converted(f"unshard {name}", checkpoint, output, "--dtype", name) for name in ("bf16", "q8_0", "q4_k_m")]
    theirs = [quantize("q8_0", 7, bf16, output, cores), quantize("q4_k_m", 15, bf16, output, cores)]
    tools = [copied(checkpoint, output), ours[0], ours[1], theirs[0], ours[2], theirs[1]]
    run_rounds(tools, args.rounds, output)
    print_table(title("FSDP to GGUF", checkpoint), tools)
    return [tools[0], *ours]


def bench_index(args) -> list[Tool]:
    tools = []
    for ranks in INDEX_RANKS:
        checkpoint = make_checkpoint(args.dir / f"index-{ranks}", "--ranks", ranks, "--small")
        tools.append(Tool(f"{ranks} ranks", [UNSHARD, "plan", checkpoint, "-o", args.dir / "output", "--quiet"]))
    run_rounds(tools, args.rounds, args.dir / "output")
    print_table("Index, plan and verify", tools)
    return tools


SUITES = {"hf": bench_hf, "rows": bench_rows, "gguf": bench_gguf, "index": bench_index}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all when none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "unshard-bench")
    parser.add_argument("--without-verl", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave checkpoints and verl's environment in DIR")
    args = parser.parse_args()
    for name in args.suites:
        if name not in SUITES:
            parser.error(f"no suite '{name}': there are {', '.join(SUITES)}")
    if not UNSHARD.exists():
        parser.error(f"{UNSHARD}: not there: build it first, or set UNSHARD_BIN")
    args.dir = args.dir.absolute()
    args.dir.mkdir(parents=True, exist_ok=True)
    failed = [tool for name in args.suites or SUITES for tool in SUITES[name](args) if tool.failure]
    if not args.keep:
        for made in MADE:
            for path in args.dir.glob(made):
                remove(path)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
