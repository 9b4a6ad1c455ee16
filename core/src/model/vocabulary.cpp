#include "model/vocabulary.hpp"

#include "geometry/boxes.hpp"
#include "models/model_config.hpp"
#include "models/rules.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace unshard {
namespace {

/// A tensor with a row for each token, and the number of tokens in config.json.
struct Embedding {
    PlannedTensor* tensor = nullptr;
    std::uint64_t tokens = 0;

    std::uint64_t rows() const { return tensor->shape[0]; }
};

std::vector<Embedding> embeddings_with_more_rows(Plan& plan, const ModelRules& rules, const Values& values) {
    std::vector<Embedding> found;
    for (PlannedTensor& tensor : plan.tensors) {
        const std::optional<NameMatch> match = match_name(rules, tensor.name);
        if (!match || !match->tensor) continue;
        const Dims expected = whole_tensor(*match->tensor, values, match->at).shape;
        if (has_extra_rows(*match->tensor, tensor.shape, expected)) found.push_back({&tensor, expected[0]});
    }
    return found;
}

std::vector<Copy> cut(const std::vector<Copy>& copies, const Box& kept) {
    std::vector<Copy> result;
    for (const Copy& copy : copies) {
        const std::optional<Box> common = intersection(copy.box, kept);
        if (!common) continue;
        result.push_back(copy);  // only rows at the end of the box are cut, so `first` stays
        result.back().box = *common;
    }
    return result;
}

void cut_rows(PlannedTensor& tensor, std::uint64_t rows) {
    Dims shape = tensor.shape;
    shape[0] = rows;
    const std::vector<Box> kept = boxes_of_range(tensor.view, 0, shape.numel());
    if (kept.size() != 1) {
        throw Error(fmt::format("'{}': merged through the view {}: its rows cannot be cut at {}", tensor.name,
                                to_string(tensor.view), rows));
    }
    tensor.copies = cut(tensor.copies, kept.front());
    tensor.replicas = cut(tensor.replicas, kept.front());
    tensor.view = kept.front().extent;
    tensor.shape = shape;
}

/// Sets the field where config.json has it: in text_config, or at its root.
void set_vocab_size(nlohmann::json& changes, const nlohmann::json& config, std::uint64_t rows) {
    const bool is_in_text = !find_field(config, {"text_config.vocab_size"}).is_null();
    if (is_in_text) changes["text_config"]["vocab_size"] = rows;
    if (!is_in_text || config.contains("vocab_size")) changes["vocab_size"] = rows;
}

}  // namespace

bool fit_vocabulary(Plan& plan, const VocabularyContext& context, const std::string& extra_rows,
                    nlohmann::json& config_changes) {
    if (extra_rows == "refuse") return false;
    if (!context.known.rules) return false;
    const ModelRules& rules = *context.known.rules;
    const std::vector<Embedding> found = embeddings_with_more_rows(plan, rules, config_values(rules, context.config));
    if (found.empty()) return false;
    const Embedding& first = found.front();
    if (extra_rows == "keep") {
        const auto differs = [&](const Embedding& e) { return e.rows() != first.rows(); };
        if (const auto other = std::ranges::find_if(found, differs); other != found.end()) {
            throw Error(
                fmt::format("'{}' has {} rows, '{}' has {}: one vocab_size cannot be both: --extra-rows cut leaves "
                            "out those past the {} of config.json",
                            first.tensor->name, first.rows(), other->tensor->name, other->rows(), first.tokens));
        }
        set_vocab_size(config_changes, context.config_file, first.rows());
        return false;
    }
    for (const Embedding& e : found) {
        plan.warnings.push_back(fmt::format("'{}': {} of its {} rows are past config.json's vocab_size and left out",
                                            e.tensor->name, e.rows() - e.tokens, e.rows()));
        cut_rows(*e.tensor, e.tokens);
    }
    return true;
}

}  // namespace unshard
