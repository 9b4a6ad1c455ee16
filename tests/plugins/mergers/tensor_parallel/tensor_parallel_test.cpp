// Random models, sharded in every way that training code does it, must come out whole.

#include "core/models/rules_support.hpp"
#include "parallel_model.hpp"
#include "support/catch.hpp"
#include "tensor_parallel/plan.hpp"

#include <functional>
#include <random>

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kLayer = "model.layers.0.";
const std::string kQ = kLayer + "self_attn.q_proj.weight", kK = kLayer + "self_attn.k_proj.weight",
                  kV = kLayer + "self_attn.v_proj.weight", kO = kLayer + "self_attn.o_proj.weight",
                  kGate = kLayer + "mlp.gate_proj.weight", kUp = kLayer + "mlp.up_proj.weight",
                  kDown = kLayer + "mlp.down_proj.weight";

/// A llama of one layer whose numbers divide among `ranks`, key/value heads apart: there can be fewer or more.
struct RandomLlama {
    std::uint32_t ranks = 1;
    std::uint64_t heads = 1, kv_heads = 1, head_dim = 1, hidden = 1, ff = 1, vocab = 1;

    explicit RandomLlama(std::mt19937& random) {
        const auto upto = [&](std::uint64_t most) {
            return std::uniform_int_distribution<std::uint64_t>(1, most)(random);
        };
        ranks = static_cast<std::uint32_t>(upto(6));
        kv_heads = upto(2) == 1 ? ranks * upto(2) : ranks;
        for (std::uint64_t divisor = upto(6); kv_heads == ranks && divisor > 1; --divisor) {
            if (ranks % divisor == 0) kv_heads = ranks / divisor;
        }
        heads = std::max<std::uint64_t>(kv_heads, ranks) * upto(3);
        head_dim = 2 * upto(3);
        hidden = upto(9);
        ff = ranks * upto(5);
        vocab = upto(40);
    }

    nlohmann::json config() const {
        return {{"vocab_size", vocab},          {"hidden_size", hidden},           {"num_hidden_layers", 1},
                {"num_attention_heads", heads}, {"num_key_value_heads", kv_heads}, {"head_dim", head_dim},
                {"intermediate_size", ff},      {"tie_word_embeddings", false}};
    }
    std::uint64_t q_rows() const { return heads * head_dim; }
    std::uint64_t kv_rows() const { return kv_heads * head_dim; }

    /// The key/value rows of a rank: whole heads, the same on neighbours when there are too few.
    std::vector<Row> kv_part(const std::string& name, std::uint32_t rank) const {
        const std::uint64_t first_head = rank * kv_heads / ranks;
        const std::uint64_t last_head = std::max((rank + 1) * kv_heads / ranks, first_head + 1);
        return rows(name, first_head * head_dim, (last_head - first_head) * head_dim);
    }
    std::vector<Row> share(const std::string& name, std::uint64_t count, std::uint32_t rank) const {
        return rows(name, rank * (count / ranks), count / ranks);
    }
};

void add_parts(ParallelModel& model, const RandomLlama& llama, const std::string& source,
               const std::function<std::vector<Row>(std::uint32_t)>& rows_of_rank) {
    model.source(source);
    for (std::uint32_t r = 0; r < llama.ranks; ++r) {
        const std::vector<Row> held = rows_of_rank(r);
        model.part(r, {held.size(), llama.hidden}, held);
    }
}

void add_row_parallel(ParallelModel& model, const RandomLlama& llama, const std::string& name, std::uint64_t inputs) {
    model.whole(name, {llama.hidden, inputs});
    model.source(name);
    const std::uint64_t share = inputs / llama.ranks;
    for (std::uint32_t r = 0; r < llama.ranks; ++r) {
        model.part(r, {llama.hidden, share}, rows(name, 0, llama.hidden), r * share);
    }
}

/// Equal parts with rows of padding at the end.
void add_vocabulary(ParallelModel& model, const RandomLlama& llama, const std::string& name, std::uint64_t padding) {
    model.whole(name, {llama.vocab, llama.hidden});
    std::uint64_t share = (llama.vocab + llama.ranks - 1) / llama.ranks + padding;
    if (share == llama.vocab) ++share;  // would be a replica
    std::vector<Row> padded = rows(name, 0, llama.vocab);
    padded.resize(share * llama.ranks);
    add_parts(model, llama, name, [&](std::uint32_t r) {
        const auto first = padded.begin() + static_cast<std::ptrdiff_t>(r * share);
        return std::vector<Row>(first, first + static_cast<std::ptrdiff_t>(share));
    });
}

ParallelModel whole_layers(const RandomLlama& llama) {
    ParallelModel model(llama.ranks);
    model.whole(kQ, {llama.q_rows(), llama.hidden});
    model.whole(kK, {llama.kv_rows(), llama.hidden});
    model.whole(kV, {llama.kv_rows(), llama.hidden});
    model.whole(kGate, {llama.ff, llama.hidden});
    model.whole(kUp, {llama.ff, llama.hidden});
    model.whole("model.norm.weight", {llama.hidden});
    model.replicated("model.norm.weight");
    add_row_parallel(model, llama, kO, llama.q_rows());
    add_row_parallel(model, llama, kDown, llama.ff);
    return model;
}

void check(const ParallelModel& model, const RandomLlama& llama, const ModelRules& rules) {
    INFO(llama.config().dump() << " on " << llama.ranks << " ranks");
    const Values values = config_values(rules, llama.config());
    model.check(plan_tensor_parallel(model.index(), rules, values, RankMesh("tp", llama.ranks)));
}

constexpr int kCases = 300;

}  // namespace

TEST_CASE("a random llama in separate tensors comes out whole") {
    std::mt19937 random(1);
    const ModelRules rules = bundled_rules("llama");
    for (int i = 0; i < kCases; ++i) {
        const RandomLlama llama(random);
        ParallelModel model = whole_layers(llama);
        add_parts(model, llama, kQ, [&](std::uint32_t r) { return llama.share(kQ, llama.q_rows(), r); });
        add_parts(model, llama, kK, [&](std::uint32_t r) { return llama.kv_part(kK, r); });
        add_parts(model, llama, kV, [&](std::uint32_t r) { return llama.kv_part(kV, r); });
        add_parts(model, llama, kGate, [&](std::uint32_t r) { return llama.share(kGate, llama.ff, r); });
        add_parts(model, llama, kUp, [&](std::uint32_t r) { return llama.share(kUp, llama.ff, r); });
        add_vocabulary(model, llama, "lm_head.weight", random() % 3);
        check(model, llama, rules);
    }
}

TEST_CASE("a random llama with fused q, k, v and gate, up comes out in separate tensors") {
    std::mt19937 random(2);
    const ModelRules rules = bundled_rules("llama");
    for (int i = 0; i < kCases; ++i) {
        const RandomLlama llama(random);
        ParallelModel model = whole_layers(llama);
        add_parts(model, llama, kLayer + "self_attn.qkv_proj.weight", [&](std::uint32_t r) {
            return llama.share(kQ, llama.q_rows(), r) + llama.kv_part(kK, r) + llama.kv_part(kV, r);
        });
        add_parts(model, llama, kLayer + "mlp.gate_up_proj.weight",
                  [&](std::uint32_t r) { return llama.share(kGate, llama.ff, r) + llama.share(kUp, llama.ff, r); });
        check(model, llama, rules);
    }
}

TEST_CASE("Megatron's groups of a query range, a key and a value head come out in separate tensors") {
    std::mt19937 random(3);
    ModelRules rules = bundled_rules("llama");
    for (FusedRule& fused : rules.fused) {
        fused.is_grouped = fused.name.text() == "model.layers.{layer}.self_attn.qkv_proj.weight";
    }
    for (int i = 0; i < kCases; ++i) {
        const RandomLlama llama(random);
        if (llama.kv_heads % llama.ranks != 0) continue;
        ParallelModel model = whole_layers(llama);
        const std::uint64_t queries = llama.q_rows() / llama.kv_heads;
        add_parts(model, llama, kLayer + "self_attn.qkv_proj.weight", [&](std::uint32_t r) {
            std::vector<Row> held;
            const std::uint64_t groups = llama.kv_heads / llama.ranks;
            for (std::uint64_t group = r * groups; group < (r + 1) * groups; ++group) {
                held = held + rows(kQ, group * queries, queries) + rows(kK, group * llama.head_dim, llama.head_dim) +
                       rows(kV, group * llama.head_dim, llama.head_dim);
            }
            return held;
        });
        for (const std::string& name : {kGate, kUp}) {
            add_parts(model, llama, name, [&](std::uint32_t r) { return llama.share(name, llama.ff, r); });
        }
        check(model, llama, rules);
    }
}
