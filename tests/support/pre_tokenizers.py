"""How llama.cpp cuts text for each value of tokenizer.ggml.pre, read from its source in the words of a tokenizer.json.

Run as a program, it prints the table: names, the steps, and what else the name settles.
"""
import re
from dataclasses import dataclass

from llama_tools import SRC

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
# As llama.cpp writes what its own regular expressions cannot say, and what tokenizer.json has there.
ADAPTED = {r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
           r"((?=[\p{L}])([^a-z]))": r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"((?=[\p{L}])([^A-Z]))": r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
           r"((?=[\p{L}\p{M}])([^a-z]))": r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
           r"((?=[\p{L}\p{M}])([^A-Z]))": r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"}


@dataclass(frozen=True)
class Cut:
    patterns: tuple[str, ...]
    ignores_merges: bool
    is_byte_level: bool

    @property
    def steps(self) -> tuple[str, ...]:
        """As steps_of in tokenizer/pre_tokenizer.cpp names them."""
        ends_in_words = self.patterns[-1] == GPT2
        steps = [r"digits one by one" if p == r"\p{N}" else "split " + p
                 for p in (self.patterns[:-1] if ends_in_words else self.patterns)]
        return (*steps, "words and bytes" if ends_in_words else "bytes")


def unescaped(literal: str) -> str:
    text = re.sub(r'\\(["\\])', r"\1", literal)
    return text.replace("\r", r"\r").replace("\n", r"\n")


def original(pattern: str) -> str:
    for adapted, written in ADAPTED.items():
        pattern = pattern.replace(adapted, written)
    return pattern


def patterns_of_types(source: str) -> dict[str, tuple[tuple[str, ...], bool]]:
    start = source.index("struct llm_tokenizer_bpe : llm_tokenizer")
    body = source[start:source.index("std::vector<std::string> regex_exprs;", start)]
    found = {}
    for block in re.split(r"\n                break;", body):
        types = re.findall(r"case LLAMA_VOCAB_PRE_TYPE_(\w+):", block) or (["DEFAULT"] if "default:" in block else [])
        if not types:
            continue
        quoted = re.findall(r'^\s*(//)?\s*(?:original regex from tokenizer.json: )?"((?:[^"\\]|\\.)*)",?[^"\n]*$', block, re.M)
        code = [original(unescaped(text)) for comment, text in quoted if not comment]
        found.update({name: (tuple(code), "byte_encode = false" not in block) for name in types})
    return found


def llama_pre_tokenizers() -> dict[str, Cut]:
    """Value of tokenizer.ggml.pre -> how it cuts."""
    source = (SRC / "src/llama-vocab.cpp").read_text()
    patterns = patterns_of_types(source)
    start = source.index('tokenizer_pre == "default"')
    body = source[start - 20:source.index('"unknown pre-tokenizer type', start)]
    names = {}
    for block in body.split("} else if ("):
        kind = re.search(r"LLAMA_VOCAB_PRE_TYPE_(\w+)", block)
        if kind:
            cut, is_byte_level = patterns.get(kind.group(1), patterns["DEFAULT"])
            names |= {name: Cut(cut, "ignore_merges = true" in block, is_byte_level)
                      for name in re.findall(r'tokenizer_pre == "([^"]+)"', block)}
    return names


if __name__ == "__main__":
    for name, cut in llama_pre_tokenizers().items():
        print(name, *cut.steps, f"ignore_merges={cut.ignores_merges}", f"byte_level={cut.is_byte_level}", sep="\n    ")
