// Names and layouts of another program's checkpoints as data: how its tensors become those of the model. A file of
// configs/names, or one of the user's own:
//
//     title = "Megatron-Core"                            what the summary calls it
//     config.heads = "num_attention_heads"               as in configs/models, for the expressions below
//     define.group = "heads / kv_heads"
//
//     [[models]]                                         the first that fits counts
//     classes = ["LlamaForCausalLM"]                     of config.json; without it: any
//     has     = ["decoder.layers.*"]                     recognised by these names: each is there
//     tensors = [
//         { name = "decoder.layers.[{layer}.]self_attention.linear_proj.weight",
//           to   = "model.layers.{layer}.self_attn.o_proj.weight" },
//         { name = "decoder.layers.[{layer}.]mlp.linear_fc1.weight",
//           to   = ["model.layers.{layer}.mlp.gate_proj.weight", "model.layers.{layer}.mlp.up_proj.weight"] },
//         { name = "mtp.layers.{mtp}.hnorm.weight", to = "model.layers.{layer}.hnorm.weight",
//           numbers = { layer = "layers + mtp" } },
//     ]
//     drop   = [ { name = "*._extra_state", why = "..." } ]
//     rename = [ ["model.visual.", "visual."] ]          how names begin, afterwards; the first that fits
//     pads_vocabulary = true                             embeddings may have rows past vocab_size, to be left out
//     like = "LlamaForCausalLM"                          the rules of the models of that class, above, come after these
//     others = "keep"                                    names that no rule is for stay; otherwise they are an error
//
// A name has placeholders for numbers, parts in [ ] that may be missing, or * at one end for any text; a target with *
// takes over that text. A placeholder that a target has and the tensor's name does not counts the tensor's first
// dimension: it is taken apart. "a | b": the first of these names that the model has. Several targets are equal parts
// of the rows, unless they are tables that say what they take (see tensor_view.hpp), where `rows` and `columns` stand
// for the first two dimensions of what is left when axes of placeholders are gone.
//
// The other way round, `name` can be a list: the rows of these tensors, one after the other, become those of the one
// target (`along = 1`: their columns). A placeholder that the name has and the target does not is stacked: it becomes a
// dimension in front. What the target says it takes is taken of the whole.
//
//         { name = ["*.experts.{expert}.w1.weight", "*.experts.{expert}.w3.weight"], to = "*.experts.gate_up_proj" },
//
// With `only = ["experts", "2 * ff", "hidden"]` a rule is for tensors of that shape. One that has this shape before and
// after the rule is an error: its layout cannot be told.
#pragma once

#include "models/expression_names.hpp"
#include "models/name_pattern.hpp"
#include "models/tensor_view.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard {

/// A name with placeholders, and * at one end or not.
class DialectName {
public:
    struct Match {
        Placeholders at;
        std::string any;  ///< what * stands for
    };

    /// Throws UsageError: as NamePattern; * in the middle, or at both ends.
    explicit DialectName(std::string_view text);

    std::optional<Match> match(std::string_view name) const;
    std::string fill(const Match& match) const;

    bool has_any() const { return any_ != Any::none; }
    const std::string& text() const { return text_; }
    const std::vector<std::string>& placeholders() const { return pattern_.placeholders(); }

private:
    enum class Any { none, front, back };

    std::string text_;
    Any any_ = Any::none;
    NamePattern pattern_;
};

struct DialectTarget {
    std::vector<DialectName> names;  ///< the first that the model has
    TensorView part;
    std::uint64_t row_part = 0;   ///< of
    std::uint64_t row_parts = 1;  ///< so many equal parts of the rows
};

/// A name, with and without its parts that may be missing.
using DialectSource = std::vector<DialectName>;

struct DialectRule {
    std::vector<DialectSource> sources;  ///< several: their rows follow each other
    std::vector<DialectTarget> to;       ///< none: it is left out
    std::string why;                     ///< it is left out
    std::vector<std::pair<std::string, Expression>> numbers;
    std::vector<Expression> only;      ///< the shape of the tensors that it is for; empty: of any
    std::vector<std::string> stacked;  ///< placeholders that become dimensions, the outermost first
    std::uint64_t along = 0;           ///< the dimension in which several sources follow each other

    bool gathers() const { return sources.size() > 1 || !stacked.empty(); }
};

/// What a dialect says of some models.
struct DialectModels {
    std::vector<std::string> classes;
    std::vector<DialectName> has;
    std::vector<DialectRule> rules;
    std::vector<std::pair<std::string, std::string>> renames;
    bool keeps_others = false;
    bool pads_vocabulary = false;  ///< embeddings may have rows past the vocabulary
};

struct Dialect {
    std::string file;
    std::string title;
    ExpressionNames names;
    std::vector<DialectModels> models;

    /// What it says of a class; null when that is nothing.
    const DialectModels* find(const std::string& architecture) const;
};

/// Throws UsageError with file:line:column for anything that it does not understand.
Dialect read_dialect(const std::string& file);

}  // namespace unshard
