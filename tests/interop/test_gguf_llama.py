"""What llama.cpp makes of our GGUF files: logits as transformers computes them, token ids as the tokenizer gives them."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from conftest import convert
from gguf_models import MODELS, add_checkpoint, save_model
from llama_tools import needs_converter, read_gguf, reference_convert
from real_tokenizers import REAL_TOKENIZERS, save_real_tokenizer

pytest.importorskip("llama_cpp")

IDS = [(7 * i * i + 3 * i + 11) % 390 for i in range(24)]
TEXT = ("def f(x):\n\treturn x**2  # square\n\n\n我们在2024年12月见面 😀🚀  naïve café\u3000İstanbul 12345 3.14  "
        "I'm, you'LL <|endoftext|> ~~~!!! \r\n end ")
# In a process of its own: llama.cpp aborts on what it does not like.
LOGITS = """
import sys, numpy as np
from llama_cpp import Llama
path, output, ids = sys.argv[1], sys.argv[2], eval(sys.argv[3])
model = Llama(path, n_ctx=64, n_batch=64, logits_all=True, verbose=False)
model.eval(ids)
np.save(output, np.array(model.scores[:len(ids)]))
"""
TOKENS = """
import sys
from llama_cpp import Llama
model = Llama(sys.argv[1], vocab_only=True, verbose=False)
print(model.tokenize(open(sys.argv[2], newline="").read().encode(), add_bos=False, special=True))
"""


def run_llama(script: str, *arguments) -> str:
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_transformers(name, tmp_path):
    """Many layers add up llama.cpp's rounding of activations to bf16: f32 keeps to the point there."""
    save_model(name, tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(torch.tensor([IDS])).logits[0].numpy()
    is_deep = model.config.num_hidden_layers > 8
    gguf = convert(tmp_path / "ckpt", tmp_path / "out.gguf", "--assets", tmp_path / "ckpt/hf", "--dtype",
                   "f32" if is_deep else "bf16")
    run_llama(LOGITS, gguf, tmp_path / "logits.npy", IDS)
    ours = np.load(tmp_path / "logits.npy")
    cosine = (ours * expected).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() >= 0.9999


@needs_converter
@pytest.mark.parametrize("name", REAL_TOKENIZERS)
def test_a_real_tokenizer_gives_the_converters_keys_and_its_own_ids(name, tmp_path):
    hf, ckpt = tmp_path / "hf", tmp_path / "ckpt"
    size = save_real_tokenizer(name, hf)
    config = transformers.LlamaConfig(vocab_size=size + 7, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                      num_attention_heads=2, num_key_value_heads=1)
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(hf)
    add_checkpoint(model.state_dict(), ckpt, hf)
    ours = convert(ckpt, tmp_path / "out.gguf", "--assets", ckpt / "hf", "--dtype", "bf16")
    reference = reference_convert(hf, tmp_path / "reference.gguf", "bf16")
    our_keys, keys = read_gguf(ours)[0], read_gguf(reference)[0]
    assert {key for key in keys.keys() | our_keys.keys() if keys.get(key) != our_keys.get(key)} == set()

    (tmp_path / "text").write_text(TEXT, newline="")
    tokens = eval(run_llama(TOKENS, ours, tmp_path / "text"))
    assert tokens == transformers.AutoTokenizer.from_pretrained(hf).encode(TEXT, add_special_tokens=False)
