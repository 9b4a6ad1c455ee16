"""Checkpoints of torchtitan, OLMo-core and prime-rl become what transformers has: see tests/support/trainer_names.py."""
import json
import re
import shutil

import pytest
import torch
import torch.distributed.checkpoint as checkpoint
import transformers
from conftest import convert, unshard
from tensors import assert_same_tensors, read_tensors
from trainer_names import LAYER, TITAN, olmo_core, prime_rl, torchtitan

TRAINERS = {"torchtitan": torchtitan, "OLMo-core": olmo_core, "prime-rl": prime_rl}
CASES = [("torchtitan", model, form) for model in ("llama", "llama3", "qwen3", "qwen3_moe", "deepseek_v3")
         for form in ("old", "new")]
CASES += [("torchtitan", model, "fused") for model in ("llama", "qwen3", "gpt_oss")]
CASES += [("torchtitan", "gpt_oss", form) for form in ("old", "new")]
CASES += [("OLMo-core", "olmo2", ""), ("OLMo-core", "olmo3", ""), ("OLMo-core", "qwen3", ""), ("prime-rl", "qwen3_moe", "")]


def save(state: dict, folder, hf) -> None:
    """As trainers do: the model's tensors at the top, or below `model`, beside others."""
    checkpoint.save(state, checkpoint_id=folder, no_dist=True)
    for file in hf.iterdir():
        if file.suffix != ".safetensors" and file.name != "model.safetensors.index.json":
            shutil.copy(file, folder)


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    made = {}

    def of(trainer: str, model: str, form: str):
        key = (trainer, model, form)
        if key not in made:
            folder, hf = tmp_path_factory.mktemp("trained"), tiny(model) / "hf"
            config = json.loads((hf / "config.json").read_text())
            state = TRAINERS[trainer](read_tensors(hf), config, form)
            step = {"train_state": torch.tensor(3)}
            save(state | step if trainer == "torchtitan" else {"model": state} | step, folder / "step-3", hf)
            made[key] = folder / "step-3"
        return made[key], tiny(model) / "hf"
    return of


@pytest.mark.parametrize(("trainer", "model", "form"), CASES)
def test_trainers_names_become_those_of_transformers(trainer, model, form, trained, tmp_path):
    saved, hf = trained(trainer, model, form)
    done = unshard("convert", saved, "-o", tmp_path / "out", "--drop", "^train_state$")
    assert done.code == 0, done.err
    assert f"the names and layouts of {trainer} became the model's" in done.out
    assert "complete: all tensors as" in done.out
    assert_same_tensors(read_tensors(tmp_path / "out"), read_tensors(hf))


@pytest.mark.parametrize("model", ["llama3", "qwen3_moe", "gpt_oss"])
def test_gguf_of_torchtitan_is_that_of_transformers(model, trained, tmp_path):
    saved, hf = trained("torchtitan", model, "new")
    options = ("--dtype", "q8_0", "--set", "output.options.name=one")
    convert(saved, tmp_path / "a.gguf", "--drop", "^train_state$", *options)
    convert(hf, tmp_path / "b.gguf", *options)
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def attention_of_pairs(state: dict, x: torch.Tensor, heads: int, kv_heads: int, theta: float) -> torch.Tensor:
    """Causal attention of torchtitan's Llama: rotary embeddings turn complex numbers of neighbouring elements."""
    length, head = x.shape[0], state["wq"].shape[0] // heads
    q, k, v = (x @ state[f"w{letter}"].T for letter in "qkv")
    angles = torch.outer(torch.arange(length).float(), 1 / theta ** (torch.arange(0, head, 2).float() / head))
    turn = torch.polar(torch.ones_like(angles), angles)[:, None]

    def turned(values: torch.Tensor, count: int) -> torch.Tensor:
        numbers = torch.view_as_complex(values.view(length, count, head // 2, 2).contiguous())
        return torch.view_as_real(numbers * turn).flatten(2).transpose(0, 1)
    q, k, v = turned(q, heads), turned(k, kv_heads), v.view(length, kv_heads, head).transpose(0, 1)
    k, v = (part.repeat_interleave(heads // kv_heads, 0) for part in (k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).reshape(length, -1) @ state["wo"].T


def test_logits_of_torchtitans_llama_are_those_of_transformers(tmp_path):
    """The forward pass of a Llama with turned pairs, written here, and transformers' on what was converted."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                      num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)
    config.architectures = ["LlamaForCausalLM"]
    shapes = {"attention.wq": (32, 32), "attention.wk": (16, 32), "attention.wv": (16, 32), "attention.wo": (32, 32),
              "feed_forward.w1": (48, 32), "feed_forward.w2": (32, 48), "feed_forward.w3": (48, 32)}
    state = {f"layers.{i}.{name}.weight": torch.randn(shape) / 6 for i in range(2) for name, shape in shapes.items()}
    state |= {f"layers.{i}.{name}.weight": 1 + torch.randn(32) / 9 for i in range(2) for name in ("attention_norm", "ffn_norm")}
    state |= {"tok_embeddings.weight": torch.randn(64, 32), "norm.weight": 1 + torch.randn(32) / 9,
              "output.weight": torch.randn(64, 32)}
    config.save_pretrained(tmp_path / "hf")
    save(state, tmp_path / "step-1", tmp_path / "hf")
    tokens = torch.tensor([3, 14, 15, 9, 26, 5])

    def norm(x, weight):
        return torch.nn.functional.rms_norm(x, (32,), weight, config.rms_norm_eps)
    x = state["tok_embeddings.weight"][tokens]
    for i in range(2):
        layer = {name: state[f"layers.{i}.{name}.weight"] for name in [*shapes, "attention_norm", "ffn_norm"]}
        own = {w: layer[f"attention.{w}"] for w in ("wq", "wk", "wv", "wo")}
        x = x + attention_of_pairs(own, norm(x, layer["attention_norm"]), 4, 2, 10000.0)
        h = norm(x, layer["ffn_norm"])
        gate = torch.nn.functional.silu(h @ layer["feed_forward.w1"].T) * (h @ layer["feed_forward.w3"].T)
        x = x + gate @ layer["feed_forward.w2"].T
    expected = norm(x, state["norm.weight"]) @ state["output.weight"].T

    output = convert(tmp_path / "step-1", tmp_path / "out")
    model = transformers.AutoModelForCausalLM.from_pretrained(output, dtype=torch.float32)
    torch.testing.assert_close(model(tokens[None]).logits[0], expected, rtol=1e-4, atol=1e-4)


def test_llama4_of_torchtitan(tmp_path):
    torch.manual_seed(0)
    config = transformers.Llama4TextConfig(
        vocab_size=64, hidden_size=32, intermediate_size=24, intermediate_size_mlp=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, num_local_experts=4, interleave_moe_layer_step=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2)
    model = transformers.Llama4ForCausalLM(config)
    model.save_pretrained(tmp_path / "hf")
    state = {}
    for name, tensor in read_tensors(tmp_path / "hf").items():
        layer = LAYER.fullmatch(name)
        if not layer:
            state[{"model.embed_tokens.weight": "tok_embeddings.weight", "model.norm.weight": "norm.weight"}.get(name, name)] = tensor
            continue
        front, rest = f"layers.{layer[1]}.", layer[2].replace("feed_forward.", "mlp.").replace("shared_expert.", "shared_experts.")
        if rest == "mlp.experts.gate_up_proj":
            gate, up = tensor.transpose(1, 2).chunk(2, 1)
            state |= {f"{front}moe.experts.w1": gate.contiguous(), f"{front}moe.experts.w3": up.contiguous()}
        elif rest == "mlp.experts.down_proj":
            state[f"{front}moe.experts.w2"] = tensor.transpose(1, 2).contiguous()
        elif match := re.fullmatch(r"self_attn\.([qkv])_proj\.weight", rest):
            state[f"{front}attention.w{match[1]}.weight"] = tensor
        else:
            state[front + TITAN[rest]] = tensor
    save(state, tmp_path / "step-1", tmp_path / "hf")
    output = convert(tmp_path / "step-1", tmp_path / "out")
    assert_same_tensors(read_tensors(output), read_tensors(tmp_path / "hf"))


def test_experts_whose_layout_cannot_be_told_are_refused(tiny, tmp_path, refusal):
    """gpt-oss has as many inputs as outputs, and torchtitan had both layouts under one name."""
    hf = tiny("gpt_oss") / "hf"
    config = json.loads((hf / "config.json").read_text()) | {"intermediate_size": 64}
    state = torchtitan(read_tensors(hf), config, "old")
    for name in list(state):
        if name.endswith("mlp2_weight"):
            state[name] = torch.randn(4, 64, 64)
    save(state, tmp_path / "step-1", hf)
    (tmp_path / "step-1/config.json").write_text(json.dumps(config))
    said = refusal(tmp_path / "step-1")
    assert "moe.experts.mlp2_weight" in said and "in both layouts" in said and "--names keep" in said


def test_a_tensor_that_the_dialect_does_not_know_is_named(trained, tmp_path, refusal):
    saved, _ = trained("torchtitan", "qwen3", "new")
    said = refusal(saved)
    assert "'train_state'" in said and "torchtitan" in said and "--drop" in said


def test_a_dialect_of_ones_own(trained, tmp_path):
    saved, hf = trained("OLMo-core", "olmo2", "")
    (tmp_path / "mine.toml").write_text("""
title = "mine"
[[models]]
has = ["blocks.{layer}.*"]
others = "keep"
tensors = [{ name = "blocks.{layer}.feed_forward.w1.weight", to = "h.{layer}.gate" }]
rename = [["blocks.", "h."]]
""")
    output = convert(saved, tmp_path / "out", "--names", tmp_path / "mine.toml", "--assets", "none")
    names = read_tensors(output).keys()
    assert "h.0.gate" in names and "h.0.attention.w_q.weight" in names and "embeddings.weight" in names
