"""Files to begin with, from the committed checkpoints: seeds.py UNSHARD OUT makes OUT/<target>/*."""
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import zipfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LARGEST = 64 << 10


class Storage:
    def __init__(self, kind: type, key: str, content: bytes, element: int):
        self.kind, self.key, self.content, self.count = kind, key, content, len(content) // element


class Tensor:
    """Pickles as PyTorch's do, without PyTorch."""
    rebuild: object

    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return self.rebuild, (*self.args, False, {})


def legacy_seed() -> bytes:
    """A training state in the form before PyTorch 1.6, from its pickle on."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    sys.modules |= {"torch": torch, "torch._utils": utils}
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    exec("def _rebuild_tensor_v2(*args): pass", utils.__dict__)
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    Tensor.rebuild = staticmethod(utils._rebuild_tensor_v2)
    storages = [Storage(torch.FloatStorage, "10", bytes(range(48)), 4), Storage(torch.LongStorage, "9", bytes(8), 8)]
    weights = {"w": Tensor(storages[0], 0, (3, 4), (4, 1)), "t": Tensor(storages[0], 0, (4, 3), (1, 4))}
    state = {"model": weights, "optimizer": {"state": {0: {"step": Tensor(storages[1], 0, (), ())}}, "param_groups": []}}
    file = tempfile.TemporaryFile()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                return "storage", value.kind, value.key, "cpu", value.count, None
    Pickler(file, protocol=2).dump(state)
    pickle.dump([storage.key for storage in storages], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", storage.count) + storage.content)
    file.seek(0)
    return file.read()


def seeds(unshard: str, scratch: Path):
    """Pairs of a target and the bytes of a file for it."""
    for file in sorted(GOLDEN.rglob("*.pt")):
        with zipfile.ZipFile(file) as archive:
            yield from (("pickle", archive.read(name)) for name in archive.namelist() if name.endswith("data.pkl"))
        yield "zip", file.read_bytes()
    yield "legacy", legacy_seed()
    yield from (("dcp", file.read_bytes()) for file in sorted(GOLDEN.rglob("*.metadata")))
    yield from (("safetensors", file.read_bytes()) for file in sorted(GOLDEN.rglob("*.safetensors")))
    for dtype in ("f16", "q8_0", "q4_k_m"):
        output = scratch / f"{dtype}.gguf"
        command = [unshard, "convert", GOLDEN / "fsdp-qwen3-4ranks/ckpt", "-o", output, "--dtype", dtype, "--quiet"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        yield "gguf", output.read_bytes()


def main() -> None:
    out = Path(sys.argv[2])
    for target in ("pickle", "zip", "legacy", "dcp", "safetensors", "gguf"):
        (out / target).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for number, (target, content) in enumerate(seeds(sys.argv[1], Path(scratch))):
            if len(content) <= LARGEST:
                (out / target / f"seed-{number}").write_bytes(content)


main()
