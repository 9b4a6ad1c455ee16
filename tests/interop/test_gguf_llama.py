"""What llama.cpp makes of our GGUF files: logits as transformers computes them, token ids as the tokenizer gives them."""
from pathlib import Path

import pytest
import sentencepiece
import torch
import transformers
from conftest import convert
from gguf_models import MODELS, add_checkpoint
from llama_tools import logits_script, lowest_cosine, needs_converter, read_gguf, reference_convert, run_llama
from real_tokenizers import REAL_TOKENIZERS, save_real_tokenizer

pytest.importorskip("llama_cpp")

IDS = [(7 * i * i + 3 * i + 11) % 390 for i in range(24)]
TEXT = ("def f(x):\n\treturn x**2  # square\n\n\n我们在2024年12月见面 😀🚀  naïve café\u3000İstanbul 12345 3.14  "
        "I'm, you'LL <|endoftext|> ~~~!!! \r\n end ")
TOKENS = f"""
import sys, numpy as np
from llama_cpp import Llama
for line in sys.stdin:
    path, output = line.rstrip("\\n").split("\\t")
    model = Llama(path, vocab_only=True, verbose=False)
    np.save(output, np.array(model.tokenize({TEXT!r}.encode(), add_bos=False, special=True)))
"""


def names_of(request, test) -> list[str]:
    return [item.callspec.params["name"] for item in request.session.items if getattr(item, "function", None) is test]


@pytest.fixture(scope="module")
def logits(request, tiny, tmp_path_factory):
    """In f32: llama.cpp rounds activations to the type of the weights, and what chooses another expert computes other values."""
    folder, files = tmp_path_factory.mktemp("logits"), {}
    for name in names_of(request, test_logits_are_those_of_transformers):
        files[name] = convert(tiny(name) / "ckpt", folder / f"{name}.gguf", "--assets", tiny(name) / "ckpt/hf",
                              "--dtype", "f32")
    return run_llama(logits_script(IDS), files)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("wide-")])
def test_logits_are_those_of_transformers(name, logits, tiny):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny(name) / "hf", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(torch.tensor([IDS])).logits[0].numpy()
    assert lowest_cosine(logits[name], expected) >= 0.9999


@pytest.fixture(scope="module")
def real(request, tmp_path_factory):
    """Name -> the directory of a small model with this tokenizer, and what we make of it as GGUF."""
    made = {}
    for name in names_of(request, test_a_real_tokenizer_gives_the_converters_keys_and_its_own_ids):
        folder = tmp_path_factory.mktemp("real")
        size = save_real_tokenizer(name, folder / "hf")
        config = transformers.LlamaConfig(vocab_size=size + 7, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                          num_attention_heads=2, num_key_value_heads=1)
        model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
        model.save_pretrained(folder / "hf")
        add_checkpoint(model.state_dict(), folder / "ckpt", folder / "hf")
        ours = convert(folder / "ckpt", folder / "out.gguf", "--assets", folder / "ckpt/hf", "--dtype", "bf16")
        made[name] = folder / "hf", ours
    return made


@pytest.fixture(scope="module")
def tokens(real):
    return run_llama(TOKENS, {name: ours for name, (_, ours) in real.items()})


def ids_of(hf: Path) -> list[int]:
    if (hf / "tokenizer.model").exists():  # where spaces follow each other, transformers does not merge as this does
        return sentencepiece.SentencePieceProcessor(model_file=str(hf / "tokenizer.model")).encode(TEXT)
    return transformers.AutoTokenizer.from_pretrained(hf).encode(TEXT, add_special_tokens=False)


@needs_converter
@pytest.mark.parametrize("name", REAL_TOKENIZERS)
def test_a_real_tokenizer_gives_the_converters_keys_and_its_own_ids(name, real, tokens, tmp_path):
    hf, ours = real[name]
    our_keys, keys = read_gguf(ours)[0], read_gguf(reference_convert(hf, tmp_path / "reference.gguf", "bf16"))[0]
    assert {key for key in keys.keys() | our_keys.keys() if keys.get(key) != our_keys.get(key)} == set()
    assert tokens[name].tolist() == ids_of(hf)
