// The merges of a BPE: which two tokens become one; the earlier in the list, the sooner.
#pragma once

#include "tokenizer/files.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace unshard::gguf {

struct Merge {
    std::string left, right;
    friend bool operator==(const Merge&, const Merge&) = default;
};

/// Of tokenizer.json, or else of merges.txt. Throws Error when there are none, or when one is of tokens that the
/// vocabulary does not have: the tokenizers library does not load such a file either.
std::vector<Merge> load_merges(const TokenizerFiles& files);

/// Two texts that llama.cpp joins to the token that they make together, and that the tokenizer leaves apart.
struct Clash {
    std::string left, right;
    friend bool operator==(const Clash&, const Clash&) = default;
};

/// In which order llama.cpp must make the tokens, so that it makes them as the merges do.
struct MergeOrder {
    std::vector<std::string> made;  ///< the tokens that merges make, soonest first
    std::vector<Clash> clashes;
};

/// What `merges` make of the text of each token. `is_cut`: nothing is joined across the start of a word, which is
/// U+2581.
MergeOrder merge_order(const std::vector<Merge>& merges, const std::vector<std::string>& tokens, bool is_cut);

}  // namespace unshard::gguf
