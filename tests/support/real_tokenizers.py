"""Tokenizers of published models, rebuilt from the vocabularies that llama.cpp has for its own tests."""
import json
import re
import struct
from pathlib import Path

from llama_tools import SRC, read_gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, processors
from tokenizers import pre_tokenizers as pre

# Of different kinds: Llama 3's, Qwen's, GPT-2's, digits one by one, several patterns in a row, SentencePiece.
REAL_TOKENIZERS = ["llama-bpe", "qwen2", "gpt-2", "starcoder", "deepseek-coder", "llama-spm"]
SENTENCEPIECE = ["llama-spm", "phi-3"]
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PATTERNS = {"llama-bpe": [WORDS % r"\p{N}{1,3}"], "qwen2": [WORDS % r"\p{N}"],
            "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+"]}


def pre_tokenizer(name: str):
    steps = [pre.Split(Regex(pattern), "isolated") for pattern in PATTERNS.get(name, [])]
    if name in ("starcoder", "deepseek-coder"):
        steps.append(pre.Digits(individual_digits=True))
    steps.append(pre.ByteLevel(add_prefix_space=False, use_regex=name not in PATTERNS))
    return steps[0] if len(steps) == 1 else pre.Sequence(steps)


def content(kind: int, value):
    """Of a key that a tokenizer has: texts, numbers, u32."""
    if kind != 9:
        return int.from_bytes(value, "little")
    kind, items = value
    return [item.decode() for item in items] if kind == 8 else [n for n, in struct.iter_unpack({5: "<i", 6: "<f"}[kind], items)]


def save_real_tokenizer(name: str, folder: Path) -> int:
    """Writes tokenizer.json or tokenizer.model, and tokenizer_config.json. Returns the number of tokens."""
    keys = {key.removeprefix("tokenizer.ggml."): content(*value)
            for key, value in read_gguf(SRC / f"models/ggml-vocab-{name}.gguf")[0].items()}
    tokens, bos, eos = keys["tokens"], keys["bos_token_id"], keys["eos_token_id"]
    folder.mkdir(parents=True)
    settings = {"bos_token": tokens[bos], "eos_token": tokens[eos], "clean_up_tokenization_spaces": False}
    if name in SENTENCEPIECE:
        save_sentencepiece_model(keys, folder)
        settings |= {"add_bos_token": True, "unk_token": "<unk>", "tokenizer_class": "LlamaTokenizer"}
    else:
        byte_level(name, keys).save(str(folder / "tokenizer.json"))
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(tokens)


def byte_level(name: str, keys: dict) -> Tokenizer:
    tokens, types, bos = keys["tokens"], keys["token_type"], keys["bos_token_id"]
    vocab = {token: i for i, token in enumerate(tokens) if types[i] == 1}
    added = [(i, token) for i, token in enumerate(tokens) if types[i] != 1]
    if any(i < len(vocab) for i, _ in added):  # special ones among the others: they are of the vocabulary too
        vocab = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(re.fullmatch(r"(.[^ ]*) (.+)", merge, re.S).groups()) for merge in keys["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=name == "llama-bpe"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer(name), decoders.ByteLevel()
    for i, token in added:
        tokenizer.add_tokens([AddedToken(token, special=types[i] == 3, normalized=types[i] != 3)])
    if name in ("llama-bpe", "deepseek-coder"):
        text = tokens[bos]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{text} $A", pair=f"{text} $A {text}:1 $B:1", special_tokens=[(text, bos)])
    return tokenizer


def save_sentencepiece_model(keys: dict, folder: Path) -> None:
    from sentencepiece import sentencepiece_model_pb2
    model = sentencepiece_model_pb2.ModelProto()
    for text, score, kind in zip(keys["tokens"], keys["scores"], keys["token_type"]):
        model.pieces.add(piece=text, score=score, type=kind)
    model.trainer_spec.model_type = 2
    model.trainer_spec.vocab_size = len(keys["tokens"])
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())


def trained_pieces(folder: Path) -> Path:
    """A SentencePiece BPE of 3000 pieces with byte fallback and runs of spaces as user-defined pieces, as Gemma's has."""
    import sentencepiece
    texts = [path.read_text(errors="ignore") for path in sorted((SRC / "docs").rglob("*.md"))]
    lines = [line for text in texts for line in text.splitlines()][:4000]
    lines += ["привет мир, как дела сегодня", "我们在2024年12月见面", "naïve café façade", "こんにちは世界", "मेरा नाम क्या है"] * 20
    (folder / "corpus.txt").write_text("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "pieces"), vocab_size=3000, model_type="bpe",
        byte_fallback=True, add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity",
        user_defined_symbols=["<start_of_turn>", "<end_of_turn>"], allow_whitespace_only_pieces=True, pad_id=3,
        character_coverage=0.999, num_threads=1, minloglevel=2, bos_piece="<bos>", eos_piece="<eos>")
    return folder / "pieces.model"


def legacy_llama(tokenizer) -> None:
    """The pipeline that transformers 4 wrote for Llama 2, and that published files have; a class of its own it has not."""
    from tokenizers import normalizers
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.backend_tokenizer.pre_tokenizer = None


def save_json_tokenizer(name: str, folder: Path) -> None:
    """tokenizer.json of a SentencePiece BPE, without its tokenizer.model, as transformers 5 saves all of them."""
    import transformers
    if name == "gemma":
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = transformers.GemmaTokenizer.from_pretrained(trained_pieces(folder).rename(folder / "tokenizer.model").parent)
        (folder / "tokenizer.model").unlink()
    else:
        save_real_tokenizer(name.removesuffix("-legacy"), folder / "model")
        tokenizer = transformers.LlamaTokenizer.from_pretrained(folder / "model")
    if name.endswith("-legacy"):
        legacy_llama(tokenizer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ("<|im_start|>", "<tool>")])
    tokenizer.save_pretrained(folder / "hf")
    if name.endswith("-legacy"):  # LlamaTokenizer of transformers 5 would put its own pipeline in place of the file's
        settings = folder / "hf/tokenizer_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}))
