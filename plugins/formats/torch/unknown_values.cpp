#include "formats/torch/unknown_values.hpp"

#include "formats/torch/tensor.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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

/// Whether there is a tensor, or its storage, in any of these values.
bool hold_tensor(const Values& values, std::vector<Ref> pending) {
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

/// Values of classes that are not known.
class Unknown {
public:
    explicit Unknown(const Values& values) : values_(values) {}

    void add_if_unknown(const std::string& name, Ref value) {
        if (!values_.is_made_by(value, Symbol::unknown)) return;
        all_.push_back(value);
        const std::string kind = values_.describe(value);
        if (!kinds_.insert(kind).second) return;
        firsts_.push_back(value);
        texts_.push_back(fmt::format("'{}' is {}", name, kind));
    }

    bool empty() const { return all_.empty(); }
    bool hold_tensor() const { return torch::hold_tensor(values_, all_); }
    /// The first of each class.
    const std::vector<Ref>& firsts() const { return firsts_; }
    std::string text() const { return some_of(texts_); }

private:
    const Values& values_;
    std::vector<Ref> all_, firsts_;
    std::unordered_set<std::string> kinds_;
    std::vector<std::string> texts_;
};

/// Whether a name can be shown as part of a command line without quotes.
bool is_plain(const std::string& name) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    return !name.empty() && !name.ends_with("...") && name.find_first_not_of(kPlain) == std::string::npos;
}

/// Whether a function may give anything: it calls what it is given, or makes tensors out of bytes. To let it through by
/// its name would be to let through what is not known.
bool may_give_anything(const Values& values, Ref ref) {
    constexpr std::string_view kModules[] = {"builtins",    "__builtin__", "operator", "_operator", "functools",
                                             "_functools",  "copyreg",     "copy_reg", "types",     "torch",
                                             "cloudpickle", "dill",        "joblib"};
    constexpr std::string_view kPlainTypes[] = {"set", "frozenset", "complex", "range", "slice", "bytearray", "object"};
    const std::string name = values.name(ref);
    const auto* made = values.get_if<Made>(ref);
    const bool is_function = made != nullptr && !made->is_object;
    const std::size_t local = name.rfind('.') + 1;
    const bool is_builtin = name.starts_with("builtins.") || name.starts_with("__builtin__.");
    if (is_builtin && std::ranges::find(kPlainTypes, name.substr(local)) != std::end(kPlainTypes)) return false;
    const std::string module = name.substr(0, name.find('.'));
    return is_function && std::ranges::find(kModules, module) != std::end(kModules);
}

/// The options that leave out all of these values; empty when that would lose tensors, or when a name alone does not
/// say what they are.
std::string options(const Values& values, const Unknown& unknown) {
    constexpr std::size_t kMost = 20;
    if (unknown.firsts().size() > kMost || unknown.hold_tensor()) return "";
    std::string text;
    for (const Ref first : unknown.firsts()) {
        const std::string name = values.name(first);
        if (!is_plain(name) || values.is_in_another_form(first) || may_give_anything(values, first)) return "";
        text += " --opaque " + name;
    }
    return text;
}

/// What programs call the model in what they save.
bool is_name_of_model(std::string_view key) {
    constexpr std::string_view kNames[] = {"model", "module", "state_dict", "model_state_dict"};
    return std::ranges::find(kNames, key) != std::end(kNames);
}

}  // namespace

void refuse_unknown_values(const Values& values, std::span<const Leaf> leaves) {
    Unknown unknown(values);
    for (const Leaf& leaf : leaves)
        unknown.add_if_unknown(values.text(leaf.key, "a key of the state dict"), leaf.value);
    if (unknown.empty()) return;
    const std::string leave_out = options(values, unknown);
    throw Error(
        fmt::format("{}: that is not known, nothing from a pickle is run, and it may be a weight: {}", unknown.text(),
                    leave_out.empty() ? "save tensors in its place" : "if it is none, leave it out with" + leave_out));
}

void refuse_hidden_model(const Values& values, const SavedTree& tree) {
    const bool has_dictionary = has_model(tree.entries);
    Unknown unknown(values);
    for (std::size_t i = 0; i < tree.leaves.size(); ++i) {
        const std::vector<std::string>& path = tree.entries[i].path;
        if (has_dictionary && !is_name_of_model(path.back())) continue;
        unknown.add_if_unknown(fmt::format("{}", fmt::join(path, ".")), tree.leaves[i].value);
    }
    if (unknown.empty() || !unknown.hold_tensor()) return;
    throw Error(fmt::format(
        "{}: that is not known, nothing from a pickle is run, and there are tensors in it, which may be the "
        "weights: save the model's state_dict() in its place{}",
        unknown.text(), has_dictionary ? ", or name the part to convert with --set input.root=" : ""));
}

}  // namespace unshard::torch
