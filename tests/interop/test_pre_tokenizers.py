"""The table of pre-tokenizers against llama.cpp's source."""
import tomllib

import pytest
from conftest import TESTS
from llama_tools import needs_converter
from pre_tokenizers import llama_pre_tokenizers

pytestmark = needs_converter

TABLE = tomllib.loads((TESTS.parent / "plugins/writers/gguf/data/pre-tokenizers.toml").read_text())
# What tokenizer.json has instead of what llama.cpp's regular expressions come to.
OTHER_WORDS = {"deepseek-llm": "digits one by one", "falcon": "punctuation Contiguous", "bailingmoe": "possessive quantifiers",
               "bloom": "a bracket more", "poro-chat": "a bracket more", "viking": "a bracket more",
               "kimi-k2": "written out, a function in llama.cpp"}
# The rules that hold where none are named, and one whose digits are a function in llama.cpp.
NOT_IN_THE_TABLE = {"default", "afmoe"}


@pytest.fixture(scope="module")
def known():
    return {name: cut for name, cut in llama_pre_tokenizers().items() if cut.is_byte_level}


def test_the_names_are_all_byte_level_ones_of_llama_cpp(known):
    assert TABLE["names"] == list(known)


def test_every_entry_cuts_as_llama_cpp_does_under_that_name(known):
    different = {entry["name"] for entry in TABLE["pre_tokenizer"]
                 if tuple(entry["steps"]) != known[entry["name"]].steps
                 or entry.get("ignore_merges", known[entry["name"]].ignores_merges) != known[entry["name"]].ignores_merges}
    assert different == OTHER_WORDS.keys()


def test_every_way_to_cut_is_in_the_table(known):
    covered = {known[entry["name"]].steps for entry in TABLE["pre_tokenizer"]}
    assert {name for name, cut in known.items() if cut.steps not in covered} == NOT_IN_THE_TABLE
