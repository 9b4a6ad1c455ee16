"""Files to begin with, from the committed checkpoints: seeds.py UNSHARD OUT makes OUT/<target>/*."""
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LARGEST = 64 << 10


def seeds(unshard: str, scratch: Path):
    """Pairs of a target and the bytes of a file for it."""
    for file in sorted(GOLDEN.rglob("*.pt")):
        with zipfile.ZipFile(file) as archive:
            yield from (("pickle", archive.read(name)) for name in archive.namelist() if name.endswith("data.pkl"))
        yield "zip", file.read_bytes()
    yield from (("dcp", file.read_bytes()) for file in sorted(GOLDEN.rglob("*.metadata")))
    yield from (("safetensors", file.read_bytes()) for file in sorted(GOLDEN.rglob("*.safetensors")))
    for dtype in ("f16", "q8_0", "q4_k_m"):
        output = scratch / f"{dtype}.gguf"
        command = [unshard, "convert", GOLDEN / "fsdp-qwen3-4ranks/ckpt", "-o", output, "--dtype", dtype, "--quiet"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        yield "gguf", output.read_bytes()


def main() -> None:
    out = Path(sys.argv[2])
    for target in ("pickle", "zip", "dcp", "safetensors", "gguf"):
        (out / target).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for number, (target, content) in enumerate(seeds(sys.argv[1], Path(scratch))):
            if len(content) <= LARGEST:
                (out / target / f"seed-{number}").write_bytes(content)


main()
