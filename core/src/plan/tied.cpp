// Where the output weights are tied to the embedding `save_pretrained` leaves `lm_head.weight` out. Whether they are is
// in the settings, see models/model_config.hpp.

#include "plan/tied.hpp"

#include "models/model_config.hpp"
#include "text/pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace unshard {
namespace {

constexpr std::string_view kHead = "lm_head.weight";
constexpr std::string_view kEmbeddings[] = {"embed_tokens.weight", "wte.weight"};

/// "a.b.weight" ends with "b.weight" but not with ".weight" of another component.
bool has_ending(std::string_view name, std::string_view ending) {
    if (!name.ends_with(ending)) return false;
    name.remove_suffix(ending.size());
    return name.empty() || name.ends_with('.');
}

std::vector<std::size_t> find_embeddings(const Plan& plan) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
        const auto ends = [&](std::string_view e) { return has_ending(plan.tensors[i].name, e); };
        if (std::any_of(std::begin(kEmbeddings), std::end(kEmbeddings), ends)) found.push_back(i);
    }
    return found;
}

/// Whether the pieces of one can be compared with those of the other.
bool is_comparable(const PlannedTensor& a, const PlannedTensor& b) {
    return a.dtype == b.dtype && a.shape == b.shape && a.view == b.view && !a.is_sum && !b.is_sum;
}

std::string form(const PlannedTensor& tensor) {
    return to_string(tensor.dtype) + " " + to_string(tensor.shape);
}

/// The embedding that the head is tied to.
std::optional<std::size_t> partner_of(const PlannedTensor& head, Plan& plan) {
    const std::vector<std::size_t> embeddings = find_embeddings(plan);
    std::vector<std::size_t> partners;
    std::copy_if(embeddings.begin(), embeddings.end(), std::back_inserter(partners),
                 [&](std::size_t i) { return is_comparable(head, plan.tensors[i]); });
    if (partners.size() == 1) return partners.front();
    if (embeddings.empty()) return std::nullopt;
    const PlannedTensor& first = plan.tensors[embeddings.front()];
    if (partners.empty()) {
        throw Error(
            fmt::format("'{}': config.json says that it is tied to '{}', but it is {} and that is {}: to write "
                        "it all the same pass --keep '{}'",
                        head.name, first.name, form(head), form(first), exact_pattern(head.name)));
    }
    plan.warnings.push_back(
        fmt::format("'{}': config.json says that it is tied, but {} tensors could be its embedding: "
                    "it is written",
                    head.name, partners.size()));
    return std::nullopt;
}

}  // namespace

void drop_tied_head(Plan& plan, const TiedContext& context, nlohmann::json& config_changes) {
    if (find_field(context.config, {"tie_word_embeddings"}) != true) return;
    const auto head = std::find_if(plan.tensors.begin(), plan.tensors.end(),
                                   [](const PlannedTensor& t) { return has_ending(t.name, kHead); });
    if (head == plan.tensors.end()) return;
    if (context.is_kept(head->name)) {
        config_changes["tie_word_embeddings"] = false;
        if (find_field(context.config_file, {"text_config.tie_word_embeddings"}).is_boolean())
            config_changes["text_config"]["tie_word_embeddings"] = false;
        return;
    }
    const auto partner = partner_of(*head, plan);
    if (!partner) return;
    PlannedTensor& embedding = plan.tensors[*partner];
    embedding.replicas.insert(embedding.replicas.end(), head->copies.begin(), head->copies.end());
    embedding.replicas.insert(embedding.replicas.end(), head->replicas.begin(), head->replicas.end());
    embedding.replicas_stated = false;
    plan.dropped.push_back(
        {head->name, fmt::format("tied to '{}', to which it must be bit-identical", embedding.name)});
    plan.tensors.erase(head);
}

}  // namespace unshard
