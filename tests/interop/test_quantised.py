"""Checkpoints of quantised weights: copied as they are, or refused; never cast, never torn apart."""
import json

import pytest
import torch
from conftest import convert, unshard
from safetensors.torch import load_file, save_file
from tensors import assert_same_tensors, read_tensors
from test_model_classes import change_config, saved

WEIGHT = "model.layers.0.mlp.up_proj.weight"


def fp8(state):
    scale = state[WEIGHT].abs().max() / 448
    state[WEIGHT] = (state[WEIGHT] / scale).to(torch.float8_e4m3fn)
    state[WEIGHT + "_scale_inv"] = scale.reshape(1, 1)


def bitsandbytes_8(state):
    state[WEIGHT] = (state[WEIGHT] * 100).to(torch.int8)
    state[WEIGHT.replace("weight", "SCB")] = torch.ones(24)
    state[WEIGHT.replace("weight", "weight_format")] = torch.tensor(0, dtype=torch.uint8)


def bitsandbytes_4(state):
    state[WEIGHT] = torch.zeros(192, 1, dtype=torch.uint8)
    state[WEIGHT + ".absmax"] = torch.ones(6)
    state[WEIGHT + ".quant_map"] = torch.ones(16)
    state[WEIGHT + ".quant_state.bitsandbytes__nf4"] = torch.zeros(80, dtype=torch.uint8)


def gptq(state):
    base = WEIGHT.removesuffix(".weight")
    del state[WEIGHT]
    state[base + ".qweight"] = torch.zeros(2, 24, dtype=torch.int32)
    state[base + ".qzeros"] = torch.zeros(1, 3, dtype=torch.int32)
    state[base + ".scales"] = torch.ones(1, 24, dtype=torch.float16)
    state[base + ".g_idx"] = torch.zeros(16, dtype=torch.int32)


def compressed_tensors(state):
    del state[WEIGHT]
    state[WEIGHT + "_packed"] = torch.zeros(24, 2, dtype=torch.int32)
    state[WEIGHT + "_scale"] = torch.ones(24, 1, dtype=torch.bfloat16)
    state[WEIGHT + "_shape"] = torch.tensor([24, 16])


@pytest.fixture(params=[fp8, bitsandbytes_8, bitsandbytes_4, gptq, compressed_tensors], ids=lambda f: f.__name__)
def model(request, tmp_path):
    path = saved("LlamaForCausalLM", tmp_path / "model", dtype="bfloat16")
    state = load_file(path / "model.safetensors")
    request.param(state)
    save_file(state, path / "model.safetensors", metadata={"format": "pt"})
    change_config(path, quantization_config={"quant_method": request.param.__name__})
    return path


def companions(model):
    found = [name for name in read_tensors(model) if "up_proj" in name and name != WEIGHT and "layers.0" in name]
    assert found
    return found


def test_they_are_copied_as_they_are(model, tmp_path):
    done = unshard("convert", model, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert "quantised: copied as they are" in json.loads(done.out)["model_check"]
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(model))


@pytest.mark.parametrize("options", [["--dtype", "bf16"], ["--dtype", "f32"], ["--to", "gguf"],
                                     ["--dtype", "bf16", "--keep", "."], ["--dtype", "f16", "--assets", "none"]])
def test_they_are_never_cast(options, model, tmp_path):
    done = unshard("convert", model, "-o", tmp_path / "out", *options)
    assert done.code == 1 and "the weights are quantised" in done.err, done.err
    assert not (tmp_path / "out").exists()


def test_weights_and_scales_stay_together(model, tmp_path):
    for name in companions(model):
        pattern = "^" + name.replace(".", r"\.") + "$"
        done = unshard("convert", model, "-o", tmp_path / "out", "--drop", pattern, "--allow-missing")
        assert done.code == 1 and "without each other" in done.err, done.err


def test_a_config_that_does_not_know_is_refused(model, tmp_path):
    file = model / "config.json"
    config = json.loads(file.read_text())
    del config["quantization_config"]
    file.write_text(json.dumps(config))
    done = unshard("convert", model, "-o", tmp_path / "out")
    assert done.code == 1 and "no 'quantization_config'" in done.err, done.err


def test_a_lost_layer_is_found_all_the_same(model, tmp_path, refusal):
    state = load_file(model / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, model / "model.safetensors", metadata={"format": "pt"})
    assert "1 missing: 'model.layers.1.mlp.up_proj.weight'" in refusal(model)
