// PEFT wraps a weight as X.base_layer.weight beside X.lora_A.default.weight and X.lora_B.default.weight. A module that
// is trained whole becomes X.modules_to_save.default.weight beside the untrained X.original_module.weight. Dropping the
// new names and renaming the others would give the model from before the training.
//
// torchtitan's Llama has Meta's names, and its rotary embedding pairs neighbouring rows of Q and K, while transformers
// pairs rows of the first half with rows of the second. Renamed weights would compute something else
// (torchtitan/models/llama3/state_dict_adapter.py). Its other models have transformers' order of rows, and names that
// Llama does not have.

#include "plan/foreign_names.hpp"

#include "text/pattern.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace unshard {
namespace {

constexpr std::size_t kFewNames = 3;

std::vector<std::string> names_that_match(const std::vector<std::string>& names, const re2::RE2& pattern) {
    std::vector<std::string> found;
    for (const std::string& name : names) {
        if (re2::RE2::PartialMatch(name, pattern)) found.push_back(name);
    }
    return found;
}

/// Phi-4-multimodal has adapters of its own, which its class loads.
bool has_adapters_of_its_own(const nlohmann::json& config) {
    return config.is_object() && (config.contains("vision_lora") || config.contains("speech_lora"));
}

bool renames_any(const Pipeline::Select& select, const std::vector<std::string>& names) {
    return std::ranges::any_of(select.rename, [&](const RenameRule& rule) {
        const auto pattern = compile_pattern(rule.from);
        return std::ranges::any_of(names, [&](const std::string& n) { return re2::RE2::PartialMatch(n, *pattern); });
    });
}

}  // namespace

void refuse_lora(const CheckpointIndex& index, const nlohmann::json& config) {
    if (has_adapters_of_its_own(config)) return;
    const re2::RE2 pattern(R"((^|\.)(lora_[A-Za-z_]+|base_layer|modules_to_save)(\.|$))");
    std::vector<std::string> names;
    for (const SourceTensor& tensor : index.tensors) {
        if (re2::RE2::PartialMatch(tensor.name, pattern)) names.push_back(tensor.name);
    }
    if (names.empty()) return;
    throw Error(
        fmt::format("{}: names of LoRA (PEFT), whose adapters are not merged here, and without them the model is the "
                    "untrained one: "
                    "merge them in the training program (merge_and_unload) and save the model again",
                    name_list(names, kFewNames)));
}

void refuse_interleaved_rows(const std::vector<std::string>& all, const nlohmann::json& config,
                             const Pipeline::Select& select) {
    const re2::RE2 rotated(R"((^|\.)layers\.\d+\.attention\.(qkv_linear\.)?w[qk]\.weight$)");
    const re2::RE2 embedding(R"((^|\.)tok_embeddings\.weight$)");
    const re2::RE2 of_others(R"(\.attention\.(q_norm|k_norm|sinks))");
    const std::vector<std::string> names = names_that_match(all, rotated);
    if (names.empty() || names_that_match(all, embedding).empty()) return;
    if (!names_that_match(all, of_others).empty()) return;
    const bool has_class = config.is_object() && config.contains("architectures");
    if (!has_class && !renames_any(select, names)) return;
    throw Error(fmt::format(
        "{}: names of torchtitan's or Meta's Llama, which keeps the rows of these weights in another order than "
        "transformers: to rename them is not enough, the model would compute something else: without --rename, and "
        "with "
        "the config.json of a LlamaForCausalLM (--assets DIR), names and rows become those of transformers; --assets "
        "none "
        "without a rename keeps both as they are",
        name_list(names, kFewNames)));
}

}  // namespace unshard
