// A training state is a tree of dictionaries, and a model's state dict is one of them: names to tensors, none nested.
// Its place differs: {"model": ..}, {"state_dict": ..} (Lightning), {"state": {"model": ..}} (Composer), or at the top
// (torchtitan, rank files of FSDP, models on the Hugging Face Hub).
//
// So every dictionary that directly contains weights is a candidate, but for those of optimizers: their state has an
// entry of weights for each parameter. An optimizer's state dict is recognised by its "param_groups"
// (torch/optim/optimizer.py), or by its name ("optimizer", "optim_0") together with its contents, since a module may
// have such a name too. There must be one candidate: e.g. an exponential average of the model's weights looks just like
// the model. Where all tensors lie at the top, it is the state dict whatever their types. A root that the user gives may
// have dictionaries below it; their keys become part of the names.

#include "formats/torch/model_part.hpp"

#include "unshard/tools/error.hpp"
#include "unshard/tools/extra_state.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace unshard::torch {
namespace {

using Path = std::vector<std::string>;
using Keys = std::span<const std::string>;

std::string joined(Keys keys) {
    std::string text;
    for (const std::string& key : keys) text += (text.empty() ? "" : ".") + key;
    return text;
}

/// Whether a key is `word`, or was flattened from it: "model.a.weight" begins with "model".
bool is_or_begins_with(std::string_view key, std::string_view word) {
    return key.starts_with(word) && (key.size() == word.size() || key[word.size()] == '.');
}

Path first_keys(const Path& path, std::size_t count) {
    return {path.begin(), path.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// The dictionaries that hold "param_groups".
std::set<Path> find_optimizers(std::span<const Entry> entries) {
    std::set<Path> found;
    for (const Entry& entry : entries) {
        for (std::size_t i = 0; i < entry.path.size(); ++i) {
            if (!entry.is_weight && is_or_begins_with(entry.path[i], "param_groups"))
                found.insert(first_keys(entry.path, i));
        }
    }
    return found;
}

/// "optimizer", "optim", "optimizers", "optimizer_states", "optim_0": but not "optimus" or "optimal_transport".
bool is_name_of_optimizer(std::string_view key) {
    const auto take = [&](std::string_view word) {
        if (!key.starts_with(word)) return false;
        key.remove_prefix(word.size());
        return true;
    };
    if (!take("optim")) return false;
    take("izer");
    take("s");
    if (take("_state") && !take("s")) take("_dict");
    if (key.starts_with('_') || key.starts_with('-')) key.remove_prefix(1);
    return key.find_first_not_of("0123456789") == std::string_view::npos;
}

/// What an optimizer calls its parts, in any of the forms that programs flatten it to.
bool is_part_of_optimizer(std::string_view key) {
    constexpr std::string_view kParts[] = {"state",      "param_groups",   "distributed",     "exp_avg",
                                           "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "fp32_param"};
    return std::ranges::find(kParts, key) != std::end(kParts);
}

/// Whether one of the names in a text, joined by dots, is that of a part of an optimizer.
bool names_part_of_optimizer(std::string_view text) {
    while (!text.empty()) {
        const std::string_view key = text.substr(0, text.find('.'));
        if (is_part_of_optimizer(key)) return true;
        text.remove_prefix(std::min(text.size(), key.size() + 1));
    }
    return false;
}

bool is_in_extra_state(Keys path) {
    return std::ranges::any_of(path, [](const std::string& key) { return is_extra_state(key); });
}

class TrainingState {
public:
    explicit TrainingState(std::span<const Entry> entries) : entries_(entries), optimizers_(find_optimizers(entries)) {}

    /// Whether the value at the first `depth` keys is an optimizer, and the path leads to its state.
    bool is_optimizer_state(const Path& path, std::size_t depth) const {
        for (std::size_t i = depth; i < path.size(); ++i) {
            if (i > depth && optimizers_.contains(first_keys(path, i))) return true;
            const std::string_view name = std::string_view(path[i]).substr(0, path[i].find('.'));
            if (!is_name_of_optimizer(name)) continue;
            if (names_part_of_optimizer(std::string_view(path[i]).substr(name.size()))) return true;
            if (std::any_of(path.begin() + static_cast<std::ptrdiff_t>(i) + 1, path.end(), names_part_of_optimizer)) {
                return true;
            }
        }
        return false;
    }

    /// The dictionaries that look like a model's state dict, and how many weights each of them has.
    std::map<Path, std::size_t> candidates() const {
        std::map<Path, std::size_t> found;
        if (optimizers_.contains(Path())) return found;
        for (const Entry& entry : entries_) {
            if (!entry.is_weight || is_in_extra_state(entry.path) || is_optimizer_state(entry.path, 0)) continue;
            ++found[first_keys(entry.path, entry.path.size() - 1)];
        }
        if (found.empty() && are_all_at_top()) found[Path()] = 0;
        return found;
    }

private:
    bool are_all_at_top() const {
        return std::ranges::all_of(entries_, [&](const Entry& entry) {
            return !entry.is_tensor || (entry.path.size() == 1 && !is_optimizer_state(entry.path, 0));
        });
    }

    std::span<const Entry> entries_;
    std::set<Path> optimizers_;
};

std::string counted(std::size_t count, const std::string& what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string describe(const Path& part, std::size_t weights) {
    return fmt::format("'{}' ({}{})", joined(part), part.empty() ? "the top, " : "", counted(weights, "weight"));
}

/// The one dictionary that looks like a model.
std::string find_root(const TrainingState& state) {
    const std::map<Path, std::size_t> found = state.candidates();
    if (found.empty()) throw Error("no part of it looks like a model: name the part to convert with --set input.root=");
    if (found.size() == 1) return joined(found.begin()->first);
    std::vector<std::string> parts;
    for (const auto& [part, weights] : found) parts.push_back(describe(part, weights));
    throw Error(fmt::format(
        "{} parts look like a model: {}: choose one of them, or one that holds several, with --set input.root=",
        parts.size(), some_of(parts)));
}

/// How many keys make up the root, if the path leads below it.
std::optional<std::size_t> depth_of_root(const Path& path, const std::string& root) {
    for (std::size_t depth = 0; depth < path.size(); ++depth) {
        if (joined(Keys(path).first(depth)) == root) return depth;
    }
    return std::nullopt;
}

/// The values that are not part of the model, for each part of the training state.
class DroppedParts {
public:
    void add(const Entry& entry, std::size_t depth) {
        std::string part = joined(Keys(entry.path).first(depth + 1));
        if (entry.path.size() == 1) part = part.substr(0, part.find('.'));
        Count& count = parts_[part];
        ++(entry.is_tensor ? count.tensors : count.others);
        count.kind = entry.kind;
    }

    void append_to(std::vector<Dropped>& dropped) const {
        for (const auto& [part, count] : parts_) dropped.push_back({part, "not of the model: " + count.text()});
    }

private:
    struct Count {
        std::size_t tensors = 0;
        std::size_t others = 0;
        std::string kind = {};  ///< of the last other value

        /// A value of a kind may hold tensors, e.g. a list.
        std::string text() const {
            if (tensors != 0)
                return counted(tensors, "tensor") + (others == 0 ? "" : ", " + counted(others, "other value"));
            if (kind.empty()) return "no tensors";
            return others == 1 ? kind : counted(others, "other value");
        }
    };

    std::map<std::string, Count> parts_;
};

/// How many keys at the beginning of a path it has in common with the root.
std::size_t keys_in_common(const Path& path, const std::string& root) {
    std::size_t depth = 0;
    while (depth + 1 < path.size() && is_or_begins_with(root, joined(Keys(path).first(depth + 1)))) ++depth;
    return depth;
}

}  // namespace

bool has_model(std::span<const Entry> entries) {
    return std::ranges::any_of(entries, &Entry::is_tensor) && !TrainingState(entries).candidates().empty();
}

ModelPart find_model(std::span<const Entry> entries, const std::string& wanted) {
    if (std::ranges::none_of(entries, &Entry::is_tensor)) throw Error("there is no tensor in it");
    const TrainingState state(entries);
    const bool is_found = wanted == kAutoRoot;
    ModelPart part{.root = is_found ? find_root(state) : wanted};
    DroppedParts dropped;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const Entry& entry = entries[i];
        const std::optional<std::size_t> depth = depth_of_root(entry.path, part.root);
        const bool is_nested = depth && is_found && entry.path.size() != *depth + 1;
        if (!depth) {
            dropped.add(entry, keys_in_common(entry.path, part.root));
            continue;
        }
        if (is_nested || state.is_optimizer_state(entry.path, *depth)) {
            dropped.add(entry, *depth);
            continue;
        }
        std::string name = joined(Keys(entry.path).subspan(*depth));
        if (is_in_extra_state(Keys(entry.path).first(entry.path.size() - 1)) ||
            (!entry.is_tensor && is_extra_state(entry.path.back()))) {
            part.dropped.push_back({std::move(name), "extra state of a module, no weight"});
        } else if (entry.is_tensor) {
            part.tensors.push_back({i, std::move(name)});
        } else {
            part.others.push_back(i);
            const std::string kind = entry.kind.empty() ? "" : " but " + entry.kind;
            part.dropped.push_back({std::move(name), "not a tensor" + kind});
        }
    }
    dropped.append_to(part.dropped);
    if (!part.tensors.empty()) return part;
    throw Error(fmt::format("there is no tensor below '{}', which --set input.root names", part.root));
}

}  // namespace unshard::torch
