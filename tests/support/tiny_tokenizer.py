"""A small byte-level BPE tokenizer with special tokens and a chat template, saved the way transformers saves any other.

It is built from fixed words rather than trained, so that its files never change from one machine to the next.
"""
import json

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

WORDS = ["the", "and", "of", "to", "in", "is", "that", "for", "with", "model", "shard", "tensor", "rank", "weight"]
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def merges_of(words: list[str]) -> list[tuple[str, str]]:
    """Each word is merged letter by letter from its start; 'Ġ' is how byte-level BPE writes the space before it."""
    merges = {}
    for word in words:
        token = "Ġ"
        for letter in word:
            merges[(token, letter)] = None
            token += letter
    return list(merges)


def tiny_tokenizer(*more_special_tokens: str) -> PreTrainedTokenizerFast:
    merges = merges_of(WORDS)
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet()) + [left + right for left, right in merges]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token in [*SPECIAL_TOKENS, *more_special_tokens]])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                                   additional_special_tokens=["<|im_start|>"], chat_template=CHAT_TEMPLATE,
                                   model_max_length=64)


def sentencepiece_pieces() -> list[tuple[str, float, int]]:
    """Text, score and type (2 unknown, 3 control, 1 normal, 6 byte) in the order of a Llama tokenizer."""
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    texts = ["\u2581" + word[:end] for word in WORDS for end in range(1, len(word) + 1)]
    texts += list("abcdefghijklmnopqrstuvwxyz")
    return pieces + [(text, -float(i), 1) for i, text in enumerate(dict.fromkeys(texts))]


def save_sentencepiece(folder) -> None:
    """tokenizer.model and a tokenizer_config.json with added tokens, special and not."""
    from sentencepiece import sentencepiece_model_pb2
    model = sentencepiece_model_pb2.ModelProto()
    pieces = sentencepiece_pieces()
    for text, score, kind in pieces:
        model.pieces.add(piece=text, score=score, type=kind)
    model.trainer_spec.model_type = 2
    model.trainer_spec.vocab_size = len(pieces)
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())
    added = {"<|assistant|>": True, "<|end|>": False, "two\u2581words": False, "plain": False}
    decoder = {str(i): {"content": text, "special": kind != 1} for i, (text, _, kind) in enumerate(pieces[:3])}
    decoder |= {str(len(pieces) + i): {"content": text, "special": special}
                for i, (text, special) in enumerate(added.items())}
    config = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True,
              "add_eos_token": False, "tokenizer_class": "LlamaTokenizer", "chat_template": CHAT_TEMPLATE,
              "added_tokens_decoder": decoder}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
