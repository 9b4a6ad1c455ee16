// llama.cpp's SentencePiece tokenizer (llm_tokenizer_spm_session) knows no merges: it joins any two neighbours whose
// text is a token, that of the highest score first, the leftmost of equals. Scores make it do what merges do:
//
// Both start from single characters and take one best pair after the other. As long as no join crosses an end of a
// stretch of text, what happens within it does not depend on what is around it. So wherever two symbols are about to
// become a token, they are the last two that the token's own text alone comes to: each token is made by one merge only,
// the last of its own text, however many merges give that token. Its rank orders the tokens. A token whose own text
// ends in two symbols that no merge joins is one that llama.cpp joins nevertheless: a clash. Without clashes, all texts
// get the same tokens.

#include "tokenizer/merges.hpp"

#include <algorithm>
#include <optional>
#include <queue>
#include <string_view>

namespace unshard::gguf {
namespace {

constexpr std::string_view kWordStart = "\u2581";

/// Bytes of the character that begins with `lead`; a stray byte counts as one.
std::size_t character_bytes(unsigned char lead) {
    if (lead < 0xc0) return 1;
    if (lead < 0xe0) return 2;
    return lead < 0xf0 ? 3 : 4;
}

/// How one text is put together.
class Walk {
public:
    using Ranks = std::unordered_map<std::string_view, std::unordered_map<std::string_view, std::size_t>>;

    Walk(const Ranks& ranks, bool is_cut, std::string_view text) : ranks_(ranks), is_cut_(is_cut), text_(text) {
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t bytes = std::min(character_bytes(static_cast<unsigned char>(text[at])), text.size() - at);
            symbols_.push_back({at, bytes, symbols_.size() - 1, symbols_.size() + 1});
            at += bytes;
        }
        count_ = symbols_.size();
        for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) offer(i);
        while (!queue_.empty()) join();
    }

    std::size_t count() const { return count_; }
    std::optional<std::size_t> last_rank() const { return last_rank_; }
    /// Of the two that are left.
    Clash rest() const { return {std::string(text_of(0)), std::string(text_of(symbols_[0].next))}; }

private:
    struct Symbol {
        std::size_t begin, bytes;  ///< no bytes: joined to the one before
        std::size_t previous, next;
    };
    struct Candidate {
        std::size_t rank, left, bytes;
        bool operator>(const Candidate& other) const {
            return rank != other.rank ? rank > other.rank : left > other.left;
        }
    };

    std::string_view text_of(std::size_t i) const { return text_.substr(symbols_[i].begin, symbols_[i].bytes); }

    /// Queues the pair that begins with symbol `left`, if a merge joins it.
    void offer(std::size_t left) {
        if (left >= symbols_.size() || symbols_[left].next >= symbols_.size()) return;
        const std::string_view right = text_of(symbols_[left].next);
        if (is_cut_ && right.starts_with(kWordStart)) return;
        const auto by_left = ranks_.find(text_of(left));
        if (by_left == ranks_.end()) return;
        const auto rank = by_left->second.find(right);
        if (rank == by_left->second.end()) return;
        queue_.push({rank->second, left, symbols_[left].bytes + right.size()});
    }

    void join() {
        const Candidate best = queue_.top();
        queue_.pop();
        Symbol& left = symbols_[best.left];
        if (left.bytes == 0 || left.next >= symbols_.size()) return;
        Symbol& right = symbols_[left.next];
        if (left.bytes + right.bytes != best.bytes) return;
        left.bytes = best.bytes;
        right.bytes = 0;
        left.next = right.next;
        if (left.next < symbols_.size()) symbols_[left.next].previous = best.left;
        last_rank_ = best.rank;
        --count_;
        offer(left.previous);
        offer(best.left);
    }

    const Ranks& ranks_;
    bool is_cut_;
    std::string_view text_;
    std::vector<Symbol> symbols_;
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
    std::optional<std::size_t> last_rank_;
    std::size_t count_ = 0;
};

}  // namespace

MergeOrder merge_order(const std::vector<Merge>& merges, const std::vector<std::string>& tokens, bool is_cut) {
    Walk::Ranks ranks;
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
        ranks[merges[rank].left].insert_or_assign(merges[rank].right, rank);
    }
    std::vector<std::pair<std::size_t, std::string_view>> made;
    MergeOrder order;
    for (const std::string& token : tokens) {
        const Walk walk(ranks, is_cut, token);
        if (walk.count() == 1 && walk.last_rank()) made.emplace_back(*walk.last_rank(), token);
        if (walk.count() == 2) order.clashes.push_back(walk.rest());
    }
    std::sort(made.begin(), made.end());
    for (const auto& [rank, token] : made) order.made.emplace_back(token);
    return order;
}

}  // namespace unshard::gguf
