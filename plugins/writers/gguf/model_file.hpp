// The `gguf` table of a file in configs/models: everything that GGUF has to know about a model.
//
//     [gguf]
//     arch        = "llama"                         general.architecture, and the prefix of its keys
//     common_keys = true                            the keys of data/common-keys.toml too; `keys` replaces and adds
//     omit        = ["attention.key_length"]        without these of them
//     generated   = "rope_freqs"                    a tensor made from config.json: rope_freqs or rope_factors
//
//     keys = [ {
//         key      = "rope.dimension_count",        below `arch`, unless it begins with "general." or "tokenizer."
//         type     = "u32",                         u32 f32 bool string, [i32] or [bool]
//         fields   = ["head_dim"],                  of config.json, the first that is there and not null; dots lead
//                                                   into it
//         value    = "hidden / heads",              or an expression over the names under `config`
//         fraction = ["partial_rotary_factor"],     times this field, rounded down
//         scale    = 0.1,                           times this number
//         words    = { softmax = 1, sigmoid = 2 },  what the field's words stand for
//         default  = 1,                             otherwise the key is not written,
//         required = true,                          or its absence is an error
//         unless   = 0,                             nor is it written for this value,
//         yields   = true,                          or when something else has written it,
//         skip     = { field = ..., lacks = ... },  or when this holds, as of a remark
//     } ]
//
//     notes = [ {                                   a warning when config.json has this; in `refuse`, an error
//         field   = "hidden_act",                   dots lead into it; null never counts
//         is      = ["gelu", "relu"],               it is this, or one of these
//         unless  = ["silu", "swish"],              it is not this, nor one of these
//         has     = "sliding_attention",            a list with this in it
//         lacks   = "sliding_attention",            a list without it
//         repeats = [1, 1, 1, 0],                   a list of these over and over
//         breaks  = [1, 1, 1, 0],                   a list that is not
//         differs = "head_dim",                     it is not what an expression over the names under `config` gives
//         below   = "max_position_embeddings",      a number less than that of another field
//         when    = "heads * head_dim != hidden",   and this holds; a remark can have this alone
//         and     = { field = ..., is = ... },      and this holds of another field
//         text    = "llama.cpp acts as if ..."
//     } ]
//
//     [gguf.llama_cpp]                              the tensors of an architecture that is not in data/tensors.toml
//     needs = ["token_embd.weight", "blk.{layer}.attn_q.weight"]
//     takes = ["output.weight"]                     when they are there
//
//     [gguf.tokenizer]                              see tokenizer/tokenizer.hpp
//
//     [gguf.tensors]                                names of the rules, without .weight or .bias, which stay
//     "model.norm" = "output_norm"
//     "model.layers.{layer}.self_attn.q_proj" = { name = "blk.{layer}.attn_q", permute = "heads" }
//
// A target has `name`, the keys of models/tensor_view.hpp, and `add` (to each element). An array of targets: several
// GGUF tensors from one. A placeholder in the rules' name alone, as {expert}: those tensors stacked, in its order.
#pragma once

#include "arch_tensors.hpp"
#include "models/document.hpp"
#include "models/expression.hpp"
#include "models/rules.hpp"
#include "models/tensor_view.hpp"
#include "tokenizer/tokenizer.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace unshard::gguf {

enum class KeyType { u32, f32, boolean, string, i32s, booleans };

/// What must hold of one field of config.json.
struct Condition {
    std::string field;  ///< empty: `when` alone counts
    nlohmann::json is;  ///< null: anything, as all below
    nlohmann::json unless;
    nlohmann::json has;
    nlohmann::json lacks;
    nlohmann::json repeats;
    nlohmann::json breaks;
    std::optional<Expression> differs;
    std::string below;
    std::optional<Expression> when;
};

struct KeyRule {
    std::string key;
    KeyType type = KeyType::u32;
    std::vector<std::string> fields;
    std::optional<Expression> value;
    std::vector<std::string> fraction;
    double scale = 1;
    nlohmann::json words;     ///< an object, or null
    nlohmann::json fallback;  ///< null: none
    bool is_required = false;
    nlohmann::json unless;  ///< null: nothing
    bool yields = false;
    std::optional<Condition> skip;
};

struct Remark {
    std::vector<Condition> conditions;  ///< all must hold; the first one's field is named
    std::string text;
};

struct Target {
    NamePattern name;
    TensorView part;
    double add = 0;
};

enum class Generated { none, rope_freqs, rope_factors };

struct GgufModel {
    std::string arch;
    bool has_common_keys = false;
    std::vector<KeyRule> keys;
    std::vector<std::string> omit;
    Generated generated = Generated::none;
    std::vector<Remark> notes;
    std::vector<Remark> refusals;
    TokenizerRules tokenizer;
    std::optional<ArchTensors> known;                    ///< where the file says them itself
    std::map<std::string, std::vector<Target>> tensors;  ///< by the rules' name
};

/// Nothing when the file has no `gguf` table. Throws UsageError with file:line:column for anything that it does not
/// understand; `rules` are those of the same file.
std::optional<GgufModel> gguf_model_of(const Document& file, const ModelRules& rules);

/// The keys of data/common-keys.toml.
std::vector<KeyRule> common_keys();

}  // namespace unshard::gguf
