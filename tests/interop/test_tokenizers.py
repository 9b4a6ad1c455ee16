"""Token ids that llama.cpp gives with our GGUF files, where the tokenizer is a SentencePiece BPE in a tokenizer.json, against
those of transformers."""
import json
import random

import pytest
import sentencepiece
import torch
import transformers
from conftest import unshard
from gguf_models import add_checkpoint
from llama_tools import needs_converter, read_gguf, run_llama
from real_tokenizers import save_json_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

pytest.importorskip("llama_cpp")
pytestmark = needs_converter

PARTS = ["a", "the ", " of", "ing", "tion ", "I'm", "hello", "world", "привет", " мир", "我们", "2024年", "café", "é", "नमस्ते",
         "こん", "ß", "  ", "   ", "    ", " ", " ", "\t", "\n", "\n\n", "\r\n", "0", "123", "3.14", "=", "==", "()", "//",
         "{", "}\n", "😀", "🚀", "\u200d", "\x07", "𓂀", "aaaa", "aa", "-----", "<", ">", "<0x0A>", "def f(x):", "İ"]
SPECIAL = ["<tool>", "<|im_start|>", "</s>", "<s>"]
# A line of input: the GGUF file, a tab, the output. The texts lie beside the file.
IDS = """
import json, sys, numpy as np
from llama_cpp import Llama
for line in sys.stdin:
    path, output = line.rstrip("\\n").split("\\t")
    model = Llama(path, vocab_only=True, verbose=False)
    texts = json.load(open(path + ".json"))
    ids = [model.tokenize(text.encode(), add_bos=True, special=True) for text in texts]
    np.save(output, np.array([i for one in ids for i in [*one, -1]]))
"""


def random_texts(count: int, parts: list[str], start: str = "") -> list[str]:
    choose = random.Random(7)
    return [start + "".join(choose.choice(parts) for _ in range(choose.randint(1, 24))) for _ in range(count)]


def to_gguf(hf, folder):
    """The tokenizer's directory becomes that of a small model with it; -> the GGUF file and the warnings."""
    rows = max(transformers.AutoTokenizer.from_pretrained(hf).get_vocab().values()) + 3
    config = transformers.LlamaConfig(vocab_size=rows, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                      num_attention_heads=2, num_key_value_heads=1)
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(hf)
    add_checkpoint(model.state_dict(), folder / "ckpt", hf)
    output = folder / "out.gguf"
    done = unshard("convert", folder / "ckpt", "-o", output, "--assets", folder / "ckpt/hf", "--dtype", "bf16", "--json")
    assert done.code == 0, done.err
    return output, done.err


def llama_ids(gguf, texts: list[str]) -> list[list[int]]:
    gguf.with_name(gguf.name + ".json").write_text(json.dumps(texts))
    flat = run_llama(IDS, {"ids": gguf})["ids"].tolist()
    ids = [[]]
    for i in flat:
        ids[-1].append(i) if i >= 0 else ids.append([])
    return ids[:-1]


def assert_same_ids(gguf, hf, texts: list[str]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(hf)
    ours = llama_ids(gguf, texts)
    different = [(text, a, b) for text, a in zip(texts, ours) if a != (b := tokenizer.encode(text))]
    assert len(ours) == len(texts) and not different, (len(different), different[:3])


@pytest.mark.parametrize("name", ["llama-spm-legacy", "gemma"])
def test_any_text_gets_the_ids_that_transformers_gives(name, tmp_path):
    save_json_tokenizer(name, tmp_path)
    gguf, warnings = to_gguf(tmp_path / "hf", tmp_path)
    assert warnings == ""
    assert_same_ids(gguf, tmp_path / "hf", random_texts(3000, PARTS + SPECIAL))


@pytest.mark.parametrize("name", ["llama-spm", "phi-3"])
def test_where_transformers_5_puts_no_space_a_warning_says_so_and_other_texts_get_its_ids(name, tmp_path):
    save_json_tokenizer(name, tmp_path)
    gguf, warnings = to_gguf(tmp_path / "hf", tmp_path)
    assert "llama.cpp puts a space before every text and behind special tokens" in warnings
    assert_same_ids(gguf, tmp_path / "hf", random_texts(3000, PARTS, start="x"))


def test_the_scores_are_in_the_order_of_the_sentencepiece_model_that_the_merges_came_from(tmp_path):
    save_json_tokenizer("llama-spm", tmp_path)
    keys = read_gguf(to_gguf(tmp_path / "hf", tmp_path)[0])[0]
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "model/tokenizer.model"))
    scores = memoryview(keys["tokenizer.ggml.scores"][1][1]).cast("f").tolist()
    merged = [i for i in range(model.get_piece_size()) if len(model.id_to_piece(i)) > 1 and i > 258]
    assert [scores[i] for i in merged] == [-float(i) for i in range(len(merged))]
