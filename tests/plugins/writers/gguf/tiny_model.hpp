// A made-up model with everything that tensors can become in GGUF.
#pragma once

#include "assets.hpp"
#include "find_model.hpp"
#include "support/model_request.hpp"
#include "unshard/plan.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace unshard::test {

inline constexpr std::string_view kTinyRules = R"(
architectures = ["TinyForCausalLM"]
config.vocab   = "vocab_size"
config.hidden  = "hidden_size"
config.layers  = "num_hidden_layers"
config.heads   = "num_attention_heads"
config.experts = { field = "num_experts", default = 0 }
prefixes."language_model." = "model."
outside = ["vision."]
buffers = ["rotary_emb.inv_freq"]
extra_layers = "model.layers.{layer}."
tensors = [
    { name = "model.embed.weight",                         shape = ["vocab", "hidden"],     split = "vocabulary" },
    { name = "model.layers.{layer}.q.weight",              shape = ["hidden", "hidden"],    split = "column" },
    { name = "model.layers.{layer}.q.bias",                shape = ["hidden"],              split = "column" },
    { name = "model.layers.{layer}.norm.weight",           shape = ["hidden"],              split = "replicated" },
    { name = "model.layers.{layer}.experts.{expert}.up",   shape = [2, "hidden"],           split = "column", when = "experts > 0" },
    { name = "model.layers.{layer}.experts.{expert}.gate", shape = [2, "hidden"],           split = "column", when = "experts > 0" },
    { name = "model.layers.{layer}.both",                  shape = ["2 * hidden", 3],       split = "replicated", optional = true },
    { name = "model.layers.{layer}.conv.weight",           shape = ["hidden", 3],           split = "replicated", optional = true },
]
alternatives = [
    { name = "model.layers.{layer}.experts.all", parts = ["model.layers.{layer}.experts.{expert}.gate", "model.layers.{layer}.experts.{expert}.up"] },
]
)";

inline constexpr std::string_view kTinyGguf = R"(
[gguf]
arch         = "tiny"
keys  = [{ key = "block_count", type = "u32", value = "layers" }]
notes = [{ field = "odd", is = true, text = "llama.cpp is even" }]
refuse = [{ field = "sizes", has = 13, when = "hidden > 4", text = "nothing loads it" }]

[gguf.llama_cpp]
needs = ["output.weight", "token_embd.weight", "blk.{layer}.attn_norm.weight"]
takes = ["blk.{layer}.attn_q.weight", "blk.{layer}.attn_q.bias", "blk.{layer}.ffn_up_exps.weight", "blk.{layer}.ffn_gate_exps.weight", "blk.{layer}.even.weight"]

[gguf.tokenizer]
kinds = ["json"]

[gguf.tensors]
"model.embed"                                = "token_embd"
"model.layers.{layer}.q"                     = { name = "blk.{layer}.attn_q", permute = "heads" }
"model.layers.{layer}.norm"                  = { name = "blk.{layer}.attn_norm", add = 1 }
"model.layers.{layer}.experts.{expert}.up"   = "blk.{layer}.ffn_up_exps.weight"
"model.layers.{layer}.experts.{expert}.gate" = "blk.{layer}.ffn_gate_exps.weight"
"model.layers.{layer}.both" = [
    { name = "blk.{layer}.even.weight", view = ["hidden", "2", "3"], take = [1, 0, 1], axes = [1, 2, 0], shape = [3, "hidden"] },
    { name = "blk.{layer}.odd.weight", view = ["hidden", "2", "3"], take = [1, 1, 1], shape = ["hidden", 3] },
]
"model.layers.{layer}.conv" = { name = "blk.{layer}.ffn_up", transpose = true }
)";

inline nlohmann::json tiny_config(int experts = 0) {
    return {{"architectures", {"TinyForCausalLM"}},
            {"vocab_size", 5},
            {"hidden_size", 8},
            {"num_hidden_layers", 1},
            {"num_attention_heads", 2},
            {"num_experts", experts}};
}

inline std::vector<PlannedTensor> planned(const std::vector<std::pair<std::string, Dims>>& tensors) {
    std::vector<PlannedTensor> plan;
    for (const auto& [name, shape] : tensors) plan.push_back({name, DType::f32, shape, shape, {}, {}, true});
    return plan;
}

inline const std::vector<std::pair<std::string, Dims>> kTinyTensors = {{"model.embed.weight", Dims{5, 8}},
                                                                       {"model.layers.0.q.weight", Dims{8, 8}},
                                                                       {"model.layers.0.q.bias", Dims{8}},
                                                                       {"model.layers.0.norm.weight", Dims{8}}};

}  // namespace unshard::test
