#include "formats/torch/saved_tree.hpp"

#include "formats/torch/tensor.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace unshard::torch {
namespace {

using Items = std::span<const std::pair<Ref, Ref>>;

constexpr std::size_t kMaxDepth = 64;

class TreeWalk {
public:
    explicit TreeWalk(const Values& values) : values_(values) {}

    SavedTree run() && {
        const auto items = values_.mapping(values_.root());
        if (!items) refuse_root();
        above_.push_back(values_.root());
        add_items(*items);
        return std::move(tree_);
    }

private:
    [[noreturn]] void refuse_root() const {
        const bool is_object =
            values_.get_if<Made>(values_.root()) != nullptr && !values_.is_in_another_form(values_.root());
        throw Error(fmt::format("the file is {}, not a state dict{}", values_.describe(values_.root()),
                                is_object ? ": save the model's state_dict(), not the model itself" : ""));
    }

    void add_items(Items items) {
        std::unordered_set<std::string_view> seen;
        for (const auto& [key, value] : items) {
            path_.push_back(name_of_key(key));
            const auto* text = values_.get_if<Text>(key);
            if (text != nullptr && !seen.insert(text->value).second) {
                throw Error(fmt::format("'{}' is there twice", text->value));
            }
            const auto inside = values_.mapping(value);
            const bool is_inner = inside && !inside->empty() && path_.size() < kMaxDepth && !is_above(value);
            if (is_inner) {
                above_.push_back(value);
                add_items(*inside);
                above_.pop_back();
            } else {
                add_leaf({key, value});
            }
            path_.pop_back();
        }
    }

    std::string name_of_key(Ref key) const {
        if (values_.get_if<Text>(key) != nullptr) return values_.text(key, "a key of the state dict");
        const auto* number = values_.get_if<std::int64_t>(key);
        return number != nullptr ? std::to_string(*number) : values_.describe(key);
    }

    /// Whether a dictionary is one of those that the path leads through.
    bool is_above(Ref dictionary) const { return std::ranges::find(above_, dictionary) != above_.end(); }

    void add_leaf(Leaf leaf) {
        Entry entry{.path = path_};
        entry.is_tensor = is_tensor(values_, leaf.value) && !is_opaque_tensor(values_, leaf.value);
        entry.is_weight = entry.is_tensor && is_weight(values_, leaf.value);
        if (!entry.is_tensor) entry.kind = values_.describe(leaf.value);
        for (const std::string& key : path_) bytes_ += key.size();
        tree_.entries.push_back(std::move(entry));
        tree_.leaves.push_back(leaf);
        // Each has a key and a value of its own, unless dictionaries are shared.
        if (tree_.leaves.size() <= values_.count() && bytes_ <= kPathBudget) return;
        throw Error("its dictionaries contain each other so often that no program can have saved them");
    }

    const Values& values_;
    SavedTree tree_;
    std::vector<std::string> path_;
    std::vector<Ref> above_;
    std::uint64_t bytes_ = 0;
};

}  // namespace

SavedTree read_tree(const Values& values) {
    return TreeWalk(values).run();
}

}  // namespace unshard::torch
