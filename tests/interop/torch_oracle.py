"""What torch.load makes of a file, beside what unshard makes of it: the same tensors, or an error."""
import pickle
import shutil
import types
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from conftest import unshard
from odd_pickles import Archive, save
from tensors import assert_same_tensors, read_tensors


class SafeUnpickler(pickle.Unpickler):
    """All opcodes, as torch.load(weights_only=True) does not know them all, and only what that one lets through."""

    def find_class(self, module: str, name: str):
        allowed = torch._weights_only_unpickler._get_allowed_globals()
        if (module, name) == ("collections", "defaultdict"):
            return defaultdict
        if f"{module}.{name}" in allowed:
            return allowed[f"{module}.{name}"]
        raise pickle.UnpicklingError(f"{module}.{name}")


SAFE_PICKLE = types.SimpleNamespace(Unpickler=SafeUnpickler, load=pickle.load, loads=pickle.loads, __name__="safe")


def load(file: Path) -> object:
    """Raises what torch raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.load(file, weights_only=True, map_location="cpu")
        except Exception:
            return torch.load(file, weights_only=False, pickle_module=SAFE_PICKLE, map_location="cpu")


def tensors_of(state: object, above: tuple[int, ...] = ()) -> dict[str, torch.Tensor]:
    """Those in dictionaries of dictionaries, by their keys joined by dots."""
    found = {}
    if type(state) not in (dict, OrderedDict, defaultdict) or id(state) in above:
        return found
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            found[name] = value.detach().resolve_neg().clone(memory_format=torch.contiguous_format)
        found |= {f"{name}.{below}": tensor for below, tensor in tensors_of(value, (*above, id(state))).items()}
    return found


def reads(file: Path, expected: Callable[[], dict[str, torch.Tensor]]) -> bool:
    """Whether unshard reads a file; other tensors than the expected ones fail."""
    output = file.parent.parent / "out"
    shutil.rmtree(output, ignore_errors=True)
    source = file.parent if "rank" in file.name else file
    done = unshard("convert", source, "-o", output, "--quiet", "--set", "input.root=")
    assert done.code in (0, 1), done.err
    if done.code == 0:
        assert_same_tensors(read_tensors(output), expected())
    return done.code == 0


def file_for(reader: str, folder: Path) -> Path:
    """Used again and again."""
    (folder / "ckpt").mkdir(exist_ok=True)
    return folder / "ckpt" / {"fsdp": "model_world_size_1_rank_0.pt", "torch_file": "model.pt"}[reader]


def truth_of(file: Path, otherwise: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """torch.load's tensors. What it refuses may be read when the damage is where no tensor depends on it."""
    try:
        return tensors_of(load(file))
    except Exception:
        return otherwise()


def agrees(archive: Archive, file: Path, undamaged: Archive | None = None) -> bool:
    """Whether unshard reads it; other tensors than torch.load's fail, or than the undamaged archive's where that refuses."""
    def of_undamaged() -> dict[str, torch.Tensor]:
        assert undamaged is not None, "torch.load refuses it"
        save(undamaged, file)
        return tensors_of(load(file))
    save(archive, file)
    return reads(file, lambda: truth_of(file, of_undamaged))
