#include "formats/torch/unknown_values.hpp"

#include "formats/torch/tensor.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace unshard::torch {
namespace {

/// Adds the values that a value directly contains.
void append_parts(const Values& values, Ref ref, std::vector<Ref>& parts) {
    if (const auto* dict = values.get_if<Dict>(ref)) {
        for (const auto& [key, value] : dict->items) parts.insert(parts.end(), {key, value});
    } else if (const auto* made = values.get_if<Made>(ref)) {
        parts.insert(parts.end(), {made->args, made->kwargs, made->state, made->contents});
    } else if (const auto* tuple = values.get_if<Tuple>(ref)) {
        parts.insert(parts.end(), tuple->items.begin(), tuple->items.end());
    } else if (const auto* list = values.get_if<List>(ref)) {
        parts.insert(parts.end(), list->items.begin(), list->items.end());
    } else if (const auto* set = values.get_if<Set>(ref)) {
        parts.insert(parts.end(), set->items.begin(), set->items.end());
    }
}

bool holds_tensor(const Values& values, Ref ref) {
    std::vector<Ref> pending{ref};
    std::unordered_set<Ref> seen;
    while (!pending.empty()) {
        const Ref next = pending.back();
        pending.pop_back();
        if (!seen.insert(next).second) continue;
        if (is_tensor(values, next) || values.get_if<Persistent>(next) != nullptr) return true;
        append_parts(values, next, pending);
    }
    return false;
}

/// The first value of a class that is not known.
struct Unknown {
    std::string first;  ///< its key in the state dict
    Ref value = kNone;
};

std::vector<Unknown> find_unknown(const Values& values, std::span<const std::pair<Ref, Ref>> items) {
    std::vector<Unknown> found;
    std::unordered_set<std::string> classes;
    for (const auto& [key, value] : items) {
        if (!values.is_made_by(value, Symbol::unknown) || !classes.insert(values.describe(value)).second) continue;
        found.push_back({values.text(key, "a key of the state dict"), value});
    }
    return found;
}

std::vector<std::string> described(const Values& values, const std::vector<Unknown>& unknown) {
    std::vector<std::string> texts;
    for (const Unknown& one : unknown)
        texts.push_back(fmt::format("'{}' is {}", one.first, values.describe(one.value)));
    return texts;
}

/// Whether a name can be shown as part of a command line without quotes.
bool is_plain(const std::string& name) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    return !name.empty() && !name.ends_with("...") && name.find_first_not_of(kPlain) == std::string::npos;
}

/// The options that leave out all of these values; empty when that would lose tensors, or when a name alone does not
/// say what they are.
std::string options(const Values& values, const std::vector<Unknown>& unknown) {
    constexpr std::size_t kMost = 20;
    std::string text;
    for (const Unknown& one : unknown) {
        const std::string name = values.name(one.value);
        if (unknown.size() > kMost || !is_plain(name) || values.is_in_another_form(one.value)) return "";
        if (holds_tensor(values, one.value)) return "";
        text += " --opaque " + name;
    }
    return text;
}

}  // namespace

void refuse_unknown_values(const Values& values, std::span<const std::pair<Ref, Ref>> items) {
    const std::vector<Unknown> unknown = find_unknown(values, items);
    if (unknown.empty()) return;
    const std::string leave_out = options(values, unknown);
    throw Error(
        fmt::format("{}: that is not known, nothing from a pickle is run, and it may be a weight: {}",
                    some_of(described(values, unknown)),
                    leave_out.empty() ? "save tensors in its place" : "if it is none, leave it out with" + leave_out));
}

}  // namespace unshard::torch
