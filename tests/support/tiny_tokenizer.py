"""A small byte-level BPE tokenizer with special tokens and a chat template, saved the way transformers saves any other.

It is built from fixed words rather than trained, so that its files never change from one machine to the next.
"""
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


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    merges = merges_of(WORDS)
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet()) + [left + right for left, right in merges]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                                   additional_special_tokens=["<|im_start|>"], chat_template=CHAT_TEMPLATE,
                                   model_max_length=64)
