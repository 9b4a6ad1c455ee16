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


def tensors_of(state: object) -> dict[str, torch.Tensor]:
    if type(state) not in (dict, OrderedDict, defaultdict):
        return {}
    return {name: value.detach().resolve_neg().clone(memory_format=torch.contiguous_format)
            for name, value in state.items() if isinstance(value, torch.Tensor)}


def reads(file: Path, expected: Callable[[], dict[str, torch.Tensor]]) -> bool:
    """Whether unshard reads a rank's file; other tensors than the expected ones fail."""
    output = file.parent.parent / "out"
    shutil.rmtree(output, ignore_errors=True)
    done = unshard("convert", file.parent, "-o", output, "--quiet")
    assert done.code in (0, 1), done.err
    if done.code == 0:
        assert_same_tensors(read_tensors(output), expected())
    return done.code == 0


def rank_file(folder: Path) -> Path:
    """Used again and again."""
    (folder / "ckpt").mkdir(exist_ok=True)
    return folder / "ckpt/model_world_size_1_rank_0.pt"


def agrees(archive: Archive, folder: Path, undamaged: Archive | None = None) -> bool:
    """Whether unshard reads it; other tensors than torch.load's fail. What torch.load refuses may be read when the damage
    is where no tensor depends on it: then the tensors are the undamaged archive's."""
    file = rank_file(folder)

    def expected() -> dict[str, torch.Tensor]:
        try:
            return tensors_of(load(file))
        except Exception:
            if undamaged is None:
                raise
            save(undamaged, file)
            return tensors_of(load(file))
    save(archive, file)
    return reads(file, expected)
