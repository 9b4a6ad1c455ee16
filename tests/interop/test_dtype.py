"""--dtype gives what tensor.to(dtype) gives in PyTorch."""
import json

import pytest
import torch
import transformers
from conftest import GOLDEN, convert, unshard
from safetensors.torch import save_file
from tensors import assert_same_tensors, assert_same_values, read_tensors

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@pytest.mark.makes("float_values")
@pytest.mark.parametrize("option", TYPES)
def test_every_kind_of_value_is_cast_as_pytorch_does_and_integers_are_not(option, checkpoint_dir, tmp_path):
    folder = checkpoint_dir("float_values")
    truth = read_tensors(folder / "truth.safetensors")
    cast = {name: tensor.to(TYPES[option]) if tensor.dtype.is_floating_point else tensor
            for name, tensor in truth.items()}
    too_large = {name for name, tensor in truth.items() if tensor.dtype.is_floating_point
                 and (tensor.to(torch.float64).isfinite() & cast[name].isinf()).any()}
    refused = unshard("convert", folder / "ckpt", "-o", tmp_path / "out", "--dtype", option)
    assert refused.code == 1 and all(f"'{name}'" in refused.err for name in too_large), refused.err
    fits = [argument for name in too_large for argument in ("--drop", f"^{name}$")]
    output = convert(folder / "ckpt", tmp_path / "out", "--dtype", option, *fits)
    assert_same_values(read_tensors(output), {name: t for name, t in cast.items() if name not in too_large})
    # What does not fit is made zero by the test, and the rest of these tensors is cast as well.
    held = {name: torch.where(cast[name].isinf() & truth[name].isfinite(), 0, truth[name]) for name in too_large}
    save_file(held, tmp_path / "held.safetensors", metadata={"format": "pt"})
    output = convert(tmp_path / "held.safetensors", tmp_path / "held", "--dtype", option)
    assert_same_values(read_tensors(output), {name: tensor.to(TYPES[option]) for name, tensor in held.items()})


@pytest.mark.parametrize("option", TYPES)
def test_strided_shared_and_empty_tensors_are_cast_too(option, tmp_path):
    golden = GOLDEN / "dtypes-and-views-3ranks"
    expected = {name: tensor.to(TYPES[option]) if tensor.dtype.is_floating_point else tensor
                for name, tensor in read_tensors(golden / "truth.safetensors").items()}
    assert_same_values(read_tensors(convert(golden / "ckpt", tmp_path / "out", "--dtype", option)), expected)


@pytest.mark.parametrize(("option", "stated"), [("f32", "float32"), ("f16", "float16")])
def test_the_config_states_the_dtype_of_the_weights_and_is_otherwise_the_same(option, stated, tmp_path):
    golden = GOLDEN / "fsdp-qwen3-4ranks"
    output = convert(golden / "ckpt", tmp_path / "out", "--dtype", option)
    config = json.loads((golden / "ckpt/huggingface/config.json").read_text())
    assert json.loads((output / "config.json").read_text()) == config | {"dtype": stated}


def test_an_older_config_states_it_as_torch_dtype(tmp_path):
    output = convert(GOLDEN / "fsdp1-torch2.3/ckpt", tmp_path / "out", "--dtype", "f32")
    assert json.loads((output / "config.json").read_text())["torch_dtype"] == "float32"


def test_casting_to_the_dtype_that_is_there_changes_nothing(tmp_path):
    golden = GOLDEN / "fsdp-qwen3-4ranks"
    output = convert(golden / "ckpt", tmp_path / "out", "--dtype", "bf16")
    assert_same_tensors(read_tensors(output), read_tensors(golden / "truth.safetensors"))
    assert (output / "config.json").read_bytes() == (golden / "ckpt/huggingface/config.json").read_bytes()


@pytest.mark.parametrize(("name", "option"), [("deepseek_v3", "bf16"), ("deepseek_v3", "f16"), ("gpt_oss", "bf16"),
                                              ("gpt_oss", "f16")])
def test_what_the_class_keeps_in_float32_stays_so(name, option, tiny, tmp_path):
    folder = tiny(name, torch.float32)
    ours = tmp_path / "ours"
    done = unshard("convert", folder / "ckpt", "-o", ours, "--assets", folder / "ckpt/hf", "--dtype", option, "--experts",
                   "separate" if name == "deepseek_v3" else "keep")
    assert done.code == 0, done.err
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "hf", dtype=TYPES[option])
    model.save_pretrained(tmp_path / "theirs")
    assert_same_tensors(read_tensors(ours), read_tensors(tmp_path / "theirs"))
    kept = [tensor for tensor in read_tensors(ours).values() if tensor.dtype == torch.float32]
    assert (f"{len(kept)} tensors are f32, in which transformers keeps them" in done.err) == bool(kept)
    assert bool(kept) == ((name, option) != ("gpt_oss", "bf16"))
    dtypes = [json.loads((output / "config.json").read_text())["dtype"] for output in (ours, tmp_path / "theirs")]
    assert dtypes[0] == dtypes[1]


def test_tensors_get_types_by_name(tiny, tmp_path):
    source = tiny("qwen3_moe") / "hf"
    types = 'output.types=[{match = "norm|mlp.gate.weight", type = "f32"}]'
    done = unshard("convert", source, "-o", tmp_path / "out", "--dtype", "f16", "--set", types)
    assert done.code == 0, done.err
    assert "which config.json states" in done.err
    expected = {name: tensor.to(torch.float32 if "norm" in name or "mlp.gate.weight" in name else torch.float16)
                for name, tensor in read_tensors(source).items()}
    assert_same_tensors(read_tensors(tmp_path / "out"), expected)
    assert json.loads((tmp_path / "out/config.json").read_text())["dtype"] == "float16"
