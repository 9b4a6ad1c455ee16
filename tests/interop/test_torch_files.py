"""Whole models in files of torch.save, in both of its forms, beside torch.load and transformers."""
import argparse
import io
import json
import os
import pickle
import random
import shutil
import struct
from collections import OrderedDict
from pathlib import Path, PosixPath

import pytest
import torch
from conftest import GOLDEN, convert, unshard
from safetensors.torch import save_file
from tensors import assert_same_tensors, read_tensors
from transformers import AutoModelForCausalLM

FORMS = ["zip", "legacy"]


def save(value: object, file: Path, form: str = "zip", **options) -> Path:
    torch.save(value, file, _use_new_zipfile_serialization=form == "zip", **options)
    return file


NEW_KINDS = [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16]


def odd_tensors(form: str) -> dict[str, torch.Tensor]:
    """Strided views, tensors that share a storage, every kind of dtype, none and many dimensions. Of the legacy form
    torch.load reads only dtypes that have a storage class."""
    base = torch.arange(48, dtype=torch.float32)
    state = OrderedDict(w=torch.randn(3, 5), t=base.view(6, 8).t(), v=base[7:13], diagonal=base[:36:7], tied=base.view(6, 8).t(),
                        parameter=torch.nn.Parameter(torch.randn(4)), scalar=torch.tensor(7), empty=torch.zeros(0, 2))
    kinds = [torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.bool, torch.int8, torch.uint8, torch.int16,
             torch.int32, torch.int64, *(NEW_KINDS if form == "zip" else [])]
    return state | {str(kind): torch.randn(3, 2).mul(4).abs().to(kind) for kind in kinds}


def truth_of(file: Path, folder: Path, find=lambda state: state) -> dict[str, torch.Tensor]:
    """What torch.load gives, through safetensors' save_file."""
    state = find(torch.load(file, weights_only=False))
    save_file({name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()},
              folder / "truth.safetensors", {"format": "pt"})
    return read_tensors(folder / "truth.safetensors")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "last.ckpt"])
def test_a_file_gives_the_tensors_of_torch_load(form, name, tmp_path):
    folder = tmp_path / "ckpt"
    folder.mkdir()
    file = save(odd_tensors(form), folder / name, form)
    truth = truth_of(file, tmp_path)
    for number, source in enumerate((file, folder)):
        assert_same_tensors(read_tensors(convert(source, tmp_path / f"out{number}")), truth)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", FORMS)
def test_every_binary_protocol_is_read(form, protocol, tmp_path):
    file = save(odd_tensors(form), tmp_path / "model.pt", form, pickle_protocol=protocol)
    assert_same_tensors(read_tensors(convert(file, tmp_path / "out")), truth_of(file, tmp_path))


def test_dtypes_of_which_torch_load_cannot_read_what_torch_save_wrote_are_as_they_were(tmp_path):
    state = {str(kind): torch.randn(3, 2).mul(4).abs().to(kind) for kind in NEW_KINDS}
    file = save(state, tmp_path / "model.pt", "legacy")
    with pytest.raises(AttributeError):
        torch.load(file, weights_only=False)
    assert_same_tensors(read_tensors(convert(file, tmp_path / "out")), state)


def test_both_forms_are_shown_and_are_the_same_model(tmp_path):
    state = odd_tensors("legacy")
    files = [save(state, tmp_path / f"{form}.pt", form) for form in FORMS]
    assert unshard("diff", *files).code == 0
    shown = [unshard("inspect", file) for file in files]
    assert [run.code for run in shown] == [0, 0] and "torch.save, 1 file" in shown[0].out
    assert unshard("plan", files[1], "-o", tmp_path / "planned").code == 0 and not (tmp_path / "planned").exists()
    for tensor in ("torch.float16", "torch.bfloat16"):
        assert tensor in shown[1].out
    changed = save(state | {"w": torch.zeros(3, 5)}, tmp_path / "changed.pt", "legacy")
    assert unshard("diff", files[0], changed).code == 1


# --- models of the Hub

@pytest.fixture(scope="module")
def hub(tiny) -> Path:
    return tiny("qwen3") / "hf"


def bin_of(hub: Path, folder: Path, form: str, parts: int) -> Path:
    """The model as transformers before 5 saved it."""
    shutil.copytree(hub, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    state = AutoModelForCausalLM.from_pretrained(hub, dtype="auto").state_dict()
    if parts == 1:
        save(state, folder / "pytorch_model.bin", form)
        return folder
    weight_map = {name: f"pytorch_model-{i % parts + 1:05}-of-{parts:05}.bin" for i, name in enumerate(sorted(state))}
    for file in set(weight_map.values()):
        save(OrderedDict((name, state[name]) for name in weight_map if weight_map[name] == file), folder / file, form)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def logits(folder: Path) -> torch.Tensor:
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    with torch.no_grad():
        return model.eval()(torch.arange(12).reshape(1, 12)).logits


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("parts", [1, 3])
def test_transformers_loads_what_a_bin_becomes_and_computes_the_same(form, parts, hub, tmp_path):
    folder = bin_of(hub, tmp_path / "bin", form, parts)
    (folder / "training_args.bin").write_bytes(b"x")
    done = unshard("convert", folder, "-o", tmp_path / "out")
    assert done.code == 0 and "complete: all tensors" in done.out, done.err
    expected = logits(hub)
    assert torch.equal(logits(tmp_path / "out"), expected) and torch.equal(logits(folder), expected)
    assert unshard("diff", folder, hub).code == 0


def test_safetensors_are_read_where_both_forms_lie_as_transformers_does(hub, tmp_path):
    folder = shutil.copytree(hub, tmp_path / "both")
    save({name: torch.zeros_like(tensor) for name, tensor in read_tensors(hub).items()}, folder / "pytorch_model.bin")
    done = unshard("convert", folder, "-o", tmp_path / "out")
    assert done.code == 0 and "pytorch_model*.bin: a model in the older form" in done.out
    assert torch.equal(logits(tmp_path / "out"), logits(folder))
    zeros = convert(folder, tmp_path / "zeros", "--reader", "torch_file")
    assert not any(tensor.any() for tensor in read_tensors(zeros).values())


def test_bad_indices_are_refused(hub, tmp_path, refusal):
    def damaged(name: str) -> tuple[Path, dict]:
        folder = bin_of(hub, tmp_path / name, "zip", 2)
        return folder, json.loads((folder / "pytorch_model.bin.index.json").read_text())

    folder, _ = damaged("missing")
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    assert "names files that are missing: 'pytorch_model-00002-of-00002.bin'" in refusal(folder)
    folder, _ = damaged("stray")
    shutil.copy(folder / "pytorch_model-00002-of-00002.bin", folder / "pytorch_model-00003-of-00003.bin")
    assert "does not name 'pytorch_model-00003-of-00003.bin'" in refusal(folder)
    folder, index = damaged("twice")
    first, second = (folder / f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2))
    name, tensor = next(iter(torch.load(first).items()))
    save(torch.load(second) | {name: tensor}, second)
    assert f"holds '{name}', which the index says is in" in refusal(folder)
    folder, index = damaged("lost")
    index["weight_map"]["model.more.weight"] = "pytorch_model-00001-of-00002.bin"
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert "does not hold 'model.more.weight'" in refusal(folder)
    assert "is part 1 of a model in 2 files" in refusal(folder / "pytorch_model-00001-of-00002.bin")


# --- training programs

class Settings(dict):
    """As omegaconf's: a dictionary of a class of its own, which holds itself."""

    def __init__(self, **items):
        super().__init__(items)
        self.parent = self
        self.sizes = {1, 2}


class Criterion(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))


def hyper_parameters() -> dict:
    import numpy
    return {"settings": Settings(lr=0.1, path=PosixPath("/data")), "arguments": argparse.Namespace(seed=1),
            "random": random.Random(1), "rate": numpy.float64(0.1), "array": numpy.arange(3), "criterion": Criterion(),
            "kind": torch.bfloat16, "optimizer": torch.optim.AdamW, "device": torch.device("cpu"), "text": b"x" * 300}


def lightning(model: dict[str, torch.Tensor], optimizer: dict) -> dict:
    return {"epoch": 1, "global_step": 10, "pytorch-lightning_version": "2.5.0", "state_dict": model,
            "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 2}}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5), "best_k_models": {}}},
            "optimizer_states": [optimizer], "lr_schedulers": [{"last_epoch": 1}], "hparams_name": "kwargs",
            "hyper_parameters": hyper_parameters()}


def composer(model: dict[str, torch.Tensor], optimizer: dict) -> dict:
    return {"state": {"model": model, "optimizers": {"DecoupledAdamW": optimizer}, "timestamp": {"epoch": 0}, "seed": 17,
                      "callbacks": {"Monitor": {"state": hyper_parameters()}}},
            "rng": [{"python": random.getstate(), "torch": torch.get_rng_state()}]}


def own(model: dict[str, torch.Tensor], optimizer: dict) -> dict:
    return {"model": model, "optimizer": optimizer, "scheduler": {"base_lrs": [0.1]}, "epoch": 3, "args": argparse.Namespace(a=1)}


PROGRAMS = {"lightning": (lightning, lambda saved: saved["state_dict"]),
            "composer": (composer, lambda saved: saved["state"]["model"]), "own": (own, lambda saved: saved["model"])}


def optimizer_of(model: dict[str, torch.Tensor]) -> dict:
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in model.values() if tensor.is_floating_point()]
    adam = torch.optim.AdamW(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    adam.step()
    return adam.state_dict()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_model_is_found_among_values_of_any_class_without_an_option(program, form, tmp_path):
    make, find = PROGRAMS[program]
    model = {"a.weight": torch.randn(4, 3), "a.bias": torch.randn(4), "steps": torch.tensor(3)}
    file = save(make(model, optimizer_of({"w": torch.randn(3)})), tmp_path / "run.ckpt", form)
    done = unshard("convert", file, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "not of the model" in done.out and "optimizer" in done.out
    assert_same_tensors(read_tensors(tmp_path / "out"), truth_of(file, tmp_path, find))


@pytest.mark.parametrize("program", ["lightning", "composer"])
def test_the_attribute_in_front_of_all_names_is_taken_off_once(program, hub, tmp_path, refusal):
    make, _ = PROGRAMS[program]
    folder = tmp_path / "run"
    folder.mkdir()
    model = {f"model.{name}": tensor for name, tensor in read_tensors(hub).items()}
    file = save(make(model, optimizer_of({"w": torch.randn(3)})), folder / "ep0-ba10-rank0.pt")
    shutil.copy(hub / "config.json", folder)
    said = refusal(file, "--names", "keep")
    assert "with 'model.' in front of their names: pass --rename '^model\\.=' to take it off" in said
    renamed = convert(file, tmp_path / "renamed", "--rename", r"^model\.=")
    assert_same_tensors(read_tensors(renamed), read_tensors(hub))
    output = tmp_path / "out"
    assert f"'model.' was taken off {len(model)} of {len(model)} names" in unshard("convert", file, "-o", output).out
    assert_same_tensors(read_tensors(output), read_tensors(hub))
    assert torch.equal(logits(output), logits(hub))


def test_what_wrappers_put_into_names_is_taken_off(tmp_path):
    file = save({"model": {f"module._orig_mod.{name}": torch.ones(2) for name in "ab"}}, tmp_path / "x.pt")
    assert read_tensors(convert(file, tmp_path / "out")).keys() == {"a", "b"}


def test_of_two_models_the_user_chooses(tmp_path, refusal):
    file = save({"state_dict": {"w": torch.ones(2)}, "state_dict_ema": {"w": torch.zeros(2)}}, tmp_path / "x.pt")
    said = refusal(file)
    assert "'state_dict' (1 weight), 'state_dict_ema' (1 weight)" in said and "--set input.root=" in said
    chosen = convert(file, tmp_path / "out", "--set", "input.root=state_dict_ema")
    assert_same_tensors(read_tensors(chosen), {"w": torch.zeros(2)})


def test_rank_files_of_a_training_state_in_either_form_are_read(tmp_path):
    for form in FORMS:
        folder = tmp_path / form
        folder.mkdir()
        model = {"w": torch.randn(4, 3), "b": torch.randn(4)}
        save({"model": model, "optimizer": optimizer_of(model)}, folder / "model_world_size_1_rank_0.pt", form)
        assert_same_tensors(read_tensors(convert(folder, tmp_path / f"{form}-out")), model)


def test_a_rank_s_file_is_not_taken_for_the_whole(tmp_path, refusal):
    folder = shutil.copytree(GOLDEN / "fsdp-qwen3-4ranks/ckpt", tmp_path / "ckpt")
    file = folder / "model_world_size_4_rank_0.pt"
    assert "is one file of a checkpoint: name its directory" in refusal(file)
    (tmp_path / "alone").mkdir()
    renamed = Path(shutil.copy(file, tmp_path / "alone/model.pt"))
    assert "as one rank of several saves it" in refusal(renamed) and "model_world_size_W_rank_R.pt" in refusal(renamed)


def test_what_a_trainer_keeps_beside_the_model_is_no_model(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    save({"w": torch.ones(2)}, folder / "last.ckpt")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state_0.pth", "training_args.bin", "data.pt", "random_states_0.pkl"):
        save({"w": torch.zeros(2)}, folder / name)
    assert_same_tensors(read_tensors(convert(folder, tmp_path / "out")), {"w": torch.ones(2)})


def test_the_dataloader_s_file_above_a_checkpoint_does_not_hide_it(tmp_path):
    step = tmp_path / "global_step_10"
    shutil.copytree(GOLDEN / "fsdp-qwen3-4ranks/ckpt", step / "actor")
    save({"_snapshot": {"rng": torch.get_rng_state()}}, step / "data.pt")
    save({"history": [torch.ones(2)]}, step / "history.pt")
    assert_same_tensors(read_tensors(convert(step, tmp_path / "out")), read_tensors(GOLDEN / "fsdp-qwen3-4ranks/truth.safetensors"))


# --- bad files

class Runs:
    def __reduce__(self):
        return os.system, ("touch owned",)


class Weight:
    def __init__(self):
        self.data = torch.ones(2)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_run_and_no_option_is_named_that_would_let_it_through(form, tmp_path, refusal, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ({"w": torch.ones(2), "x": Runs()}, {"model": {"w": torch.ones(2)}, "args": Runs()}):
        said = refusal(save(value, tmp_path / "x.pt", form))
        assert "calls 'posix.system', which Python would run" in said and "--opaque" not in said
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("form", FORMS)
def test_classes_on_the_way_to_a_tensor_are_named_all_at_once(form, tmp_path, refusal):
    said = refusal(save({"w": torch.ones(2), "x": Weight(), "y": Settings()}, tmp_path / "x.pt", form))
    assert "'x' is an object of class 'test_torch_files.Weight', 'y' is an object of class 'test_torch_files.Settings'" in said
    assert "--opaque" not in said
    said = refusal(save({"w": torch.ones(2), "y": Settings()}, tmp_path / "y.pt", form))
    assert "leave it out with --opaque test_torch_files.Settings" in said
    output = convert(tmp_path / "y.pt", tmp_path / "out", "--opaque", "test_torch_files.Settings")
    assert_same_tensors(read_tensors(output), {"w": torch.ones(2)})


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_was_saved_as_an_object_is_refused(form, tmp_path, refusal):
    assert "save the model's state_dict(), not the model itself" in refusal(save(Criterion(), tmp_path / "x.pt", form))
    said = refusal(save({"model": Criterion(), "epoch": 3}, tmp_path / "y.pt", form))
    assert "'model' is" in said and "save the model's state_dict() in its place" in said


def test_several_files_and_what_is_none_are_refused(tmp_path, refusal):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("a.ckpt", "b.ckpt"):
        save({"w": torch.ones(2)}, folder / name)
    assert "'a.ckpt' is of the kind that torch.save writes: name the file that the model is in" in refusal(folder)
    assert "'a.ckpt', 'b.ckpt': name the one that holds the model" in refusal(folder, "--reader", "torch_file")
    (tmp_path / "x.pt").write_bytes(b"no file of torch.save")
    assert "not a zip file, as torch.save writes" in refusal(tmp_path / "x.pt")
    (tmp_path / "x.pt").write_bytes(pickle.dumps({"w": 1}))
    assert "it begins as a bare pickle" in refusal(tmp_path / "x.pt")


def legacy_bytes(value: object, little_endian: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    system = b"\x0d\0\0\0little_endianq\x02\x88"
    assert data.count(system) == 1
    return data if little_endian else data.replace(system, system[:-1] + b"\x89")


def test_a_damaged_legacy_file_is_refused(tmp_path, refusal):
    whole, file = legacy_bytes({"w": torch.arange(5.0), "v": torch.ones(3)}), tmp_path / "x.pt"
    size = struct.pack("<q", 5)
    assert whole.count(size) == 1
    damages = {"truncated: storage": whole[:-1], "bytes lie behind its last storage": whole + b"\0",
               "has 4 elements, its pickle says 5": whole.replace(size, struct.pack("<q", 4)),
               "has 4611686018427387904 elements": whole.replace(size, struct.pack("<q", 1 << 62)),
               "ends outside of the file": whole[:300],
               "saved on a big-endian machine": legacy_bytes({"w": torch.ones(1)}, little_endian=False)}
    for words, data in damages.items():
        file.write_bytes(data)
        assert words in refusal(file)
