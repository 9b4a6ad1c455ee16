// What a file of configs/models says: which models it is for, their tensors, and how tensor parallelism splits them.
//
//     architectures = ["LlamaForCausalLM"]          as in config.json
//
// Names for the expressions below: fields of config.json, which must be there unless a default is given (for null too),
// and expressions of their own, which may use placeholders:
//
//     config.hidden   = "hidden_size"
//     config.heads    = "num_attention_heads"
//     config.layers   = "num_hidden_layers"
//     config.head_dim = { field = "head_dim", default = "hidden / heads" }
//     config.labels   = { field = "num_labels", count = "id2label", default = 2 }    id2label's size, if it is there
//     define.sparse   = "layer % 2 == 1"
//
//     tensors = [ {
//         name  = "model.layers.{layer}.self_attn.q_proj.weight",  {layer} counts from 0 to below `layers`, and so on
//         shape = ["heads * head_dim", "hidden"],    of the whole tensor; the first can be an array: sections in order
//         split = "column",                          see Split
//         unit  = "head_dim",                        rows that stay together: a rank can hold just one unit
//         when  = "sparse",                          the model has the tensor only when this holds
//         optional = "tied",                         true, or when this holds: the tensor may be missing
//     } ]
//
// Other forms of the same tensors: their parts, behind each other in dimension 0.
//
//     alternatives = [ {                             transformers loads it as well
//         name  = "model.layers.{layer}.mlp.experts.gate_up_proj",       without {expert}: all experts stacked,
//         parts = ["...experts.{expert}.gate_proj.weight", "...experts.{expert}.up_proj.weight"],  parts in dimension 1
//     } ]
//     fused = [ {                                    only training code has it; it comes out as its parts
//         name   = "model.layers.{layer}.self_attn.qkv_proj.weight",
//         parts  = ["...q_proj.weight", "...k_proj.weight", "...v_proj.weight"],
//         layout = "grouped",                        as Split::grouped; without it a rank holds its share of each part
//     } ]
//
// And, when needed: mesh (see rank_mesh.hpp), prefixes."how names begin" = "what the rules call that", and
// outside = ["prefixes of names that are not described here: whole on every rank, of any shape"].
//
// What a checkpoint can hold that is no part of the model, and not missed when it does not:
//
//     buffers      = ["rotary_emb.inv_freq"]        how names end: computed from config.json
//     extra_layers = "model.layers.{layer}."        how names begin, for {layer} from `layers` on: MTP layers
#pragma once

#include "models/document.hpp"
#include "models/expression_names.hpp"
#include "models/name_pattern.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard {

enum class Split {
    replicated,  ///< every rank holds all of it
    column,      ///< dimension 0 (the outputs) in equal shares; of a tensor in sections, a share of each
    row,         ///< dimension 1 (the inputs) in equal shares
    vocabulary,  ///< dimension 0, after padding rows were added at the end
    grouped,     ///< dimension 0, its sections interleaved: for each unit of the last section, a share of each section
};

std::string to_string(Split split);

struct TensorRule {
    NamePattern name;
    std::vector<std::vector<Expression>> shape;  ///< each dimension: its sections, usually one
    Split split = Split::replicated;
    std::optional<Expression> unit;
    std::optional<Expression> when;
    std::optional<Expression> optional;
};

/// Tensors behind each other in one: dimension 0, or 1 when {expert} stands in the parts' names alone.
struct FusedRule {
    NamePattern name;
    std::vector<std::size_t> parts;  ///< into ModelRules::tensors
    bool is_alternative = false;     ///< transformers loads this form; otherwise it must come out as its parts
    bool is_stacked = false;
    bool is_grouped = false;
};

struct ModelRules {
    std::string file;
    std::vector<std::string> architectures;
    std::vector<ConfigName> config;
    std::string mesh = "tp";  ///< see the merger tensor_parallel's rank_mesh.hpp
    std::vector<TensorRule> tensors;
    std::vector<FusedRule> fused;
    std::vector<std::pair<std::string, std::string>> prefixes;  ///< how names may begin, and what the rules call that
    std::vector<std::string> outside;  ///< prefixes of names that are not described here: on all ranks, of any shape
    std::vector<std::string> buffers;  ///< how names of what is computed from config.json end
    std::optional<NamePattern> extra_layers;
    bool is_bare = false;  ///< a backbone alone: the last of `prefixes` is empty
};

/// The rules in a file of configs/models. Throws UsageError with file:line:column for anything that it does not
/// understand.
ModelRules rules_of(const Document& document);
ModelRules load_rules(const std::string& file);

/// Whether a key of such a file is one of those above; a table of another name is a plugin's.
bool is_model_key(std::string_view key);

/// Throws UsageError for a key that is neither.
void check_model_keys(const Document& document);

/// The class that a config.json is for, as transformers calls it: the first of `architectures`, without what FSDP2 put
/// in front of it (transformers up to 4.56 saves "FSDPQwen2ForCausalLM"). Empty when config.json names none.
std::string architecture_of(const nlohmann::json& config);

/// The numbers behind the names under `config`, as of any file with such names.
inline Values config_values(const ModelRules& rules, const nlohmann::json& config) {
    return config_values(rules.config, rules.file, config);
}

/// What the rules say of one tensor name.
struct NameMatch {
    const TensorRule* tensor = nullptr;  ///< this,
    const FusedRule* fused = nullptr;    ///< or this, or neither: the name lies outside
    Placeholders at;
    std::string prefix;        ///< how the name begins, when that is one of `prefixes`
    std::string rules_prefix;  ///< what the rules call it

    bool is_outside() const { return !tensor && !fused; }
};

/// Nothing when no rule has such a name.
std::optional<NameMatch> match_name(const ModelRules& rules, const std::string& name);

/// Whether a tensor holds what the model computes from config.json: no part of it, whatever a checkpoint has there.
bool is_buffer(const ModelRules& rules, std::string_view name);

/// Whether a name is of a layer behind the model's own, as `extra_layers` says.
bool is_of_extra_layer(const ModelRules& rules, const Values& values, std::string_view name);

/// The name that a checkpoint with `match` in it gives to another tensor of the rules.
std::string name_beside(const NameMatch& match, const NamePattern& other);

}  // namespace unshard
