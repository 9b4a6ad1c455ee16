#include "plan/strip.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace unshard {
namespace {

/// DistributedDataParallel's, around the whole model.
constexpr std::string_view kModule = "module.";
/// torch.compile's, FSDP1's, and the activation checkpointing wrapper's: at any depth, and no module is called so.
const std::vector<std::string>& wrappers() {
    static const std::vector<std::string> kAll = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
    return kAll;
}

/// Copies the parts of a name that stay: linear in its length, however often a prefix is repeated in it.
std::string without(std::string_view name, const std::vector<std::string>& prefixes, std::set<std::string>& removed) {
    std::string result;
    while (!name.empty()) {
        const auto leads = [&](const std::string& prefix) {
            const bool may = result.empty() || prefix.front() == '_';
            return may && name.size() > prefix.size() && name.starts_with(prefix);
        };
        const auto prefix = std::find_if(prefixes.begin(), prefixes.end(), leads);
        if (prefix != prefixes.end()) {
            removed.insert(*prefix);
            name.remove_prefix(prefix->size());
            continue;
        }
        const std::size_t end = std::min(name.find('.'), name.size() - 1) + 1;
        result += name.substr(0, end);
        name.remove_prefix(end);
    }
    return result;
}

bool begins_with_module(const std::string& name) {
    std::set<std::string> removed;
    return without(name, wrappers(), removed).starts_with(kModule);
}

}  // namespace

Stripping::Stripping(const std::vector<std::string>& wanted, const std::vector<std::string>& names,
                     bool is_training_state) {
    for (const std::string& prefix : wanted) {
        if (prefix != kAutoStrip) {
            if (!prefix.empty()) prefixes_.push_back(prefix);
        } else if (is_training_state) {
            prefixes_.insert(prefixes_.end(), wrappers().begin(), wrappers().end());
            if (std::all_of(names.begin(), names.end(), begins_with_module)) prefixes_.emplace_back(kModule);
        }
    }
}

std::string Stripping::stripped(const std::string& name) {
    std::set<std::string> removed;
    std::string result = without(name, prefixes_, removed);
    for (const std::string& prefix : removed) ++counts_[prefix];
    return result;
}

}  // namespace unshard
