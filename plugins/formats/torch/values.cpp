#include "formats/torch/values.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <array>
#include <ranges>

namespace unshard::torch {
namespace {

/// Objects of the classes on the list have a dozen attributes. A limit, since every look-up goes through all of them.
constexpr std::size_t kMaxAttributes = 100;

/// Names of tensors have some hundred bytes. A limit, since a hostile pickle can use one long text as the name of many
/// tensors, each of which is copied.
constexpr std::size_t kLongestText = 1000;

constexpr std::array<std::string_view, std::variant_size_v<Value>> kKinds = {
    "None",   "a bool", "an integer",   "an integer beyond 64 bits", "a float",   "a text",   "bytes", "a tuple",
    "a list", "a set",  "a dictionary", "a class or function",       "an object", "a storage"};

void refuse_many_attributes(std::size_t count) {
    if (count <= kMaxAttributes) return;
    throw Error(fmt::format("an object has {} attributes: that is no checkpoint of PyTorch", count));
}

}  // namespace

Ref nth(std::span<const Ref> items, std::size_t index, std::string_view what) {
    if (index < items.size()) return items[index];
    throw Error(fmt::format("{} has {} items, more are needed", what, items.size()));
}

std::string Values::describe(Ref ref) const {
    const auto* made = get_if<Made>(ref);
    const std::string full_name = name(ref);
    if (made == nullptr && !full_name.empty()) return fmt::format("'{}'", full_name);
    if (made != nullptr && full_name.empty()) return "what a value gives that is no class or function";
    if (is_in_another_form(ref)) {
        return fmt::format("made by '{}' in another way than PyTorch does", full_name);
    }
    if (made != nullptr && made->is_object) return fmt::format("an object of class '{}'", full_name);
    if (made != nullptr) return fmt::format("what '{}' gives", full_name);
    return std::string(kKinds[pickle_.values[ref].index()]);
}

std::string_view Values::view(Ref ref, std::string_view what) const {
    if (const auto* text = get_if<Text>(ref)) return text->value;
    throw Error(fmt::format("{} is {}, not a text", what, describe(ref)));
}

std::string Values::text(Ref ref, std::string_view what) const {
    const std::string_view text = view(ref, what);
    if (text.size() <= kLongestText) return std::string(text);
    throw Error(fmt::format("{} has {} bytes, at most {} are supported", what, text.size(), kLongestText));
}

bool Values::flag(Ref ref, std::string_view what) const {
    if (const auto* flag = get_if<bool>(ref)) return *flag;
    throw Error(fmt::format("{} is {}, neither True nor False", what, describe(ref)));
}

std::uint64_t Values::count(Ref ref, std::string_view what) const {
    const auto* integer = get_if<std::int64_t>(ref);
    if (integer == nullptr) throw Error(fmt::format("{} is {}, not an integer of 64 bits", what, describe(ref)));
    if (*integer < 0) throw Error(fmt::format("{} is negative: {}", what, *integer));
    return static_cast<std::uint64_t>(*integer);
}

std::span<const Ref> Values::sequence(Ref ref, std::string_view what) const {
    if (is_made_by(ref, Symbol::size)) ref = args(ref)[0];
    if (const auto* tuple = get_if<Tuple>(ref)) return tuple->items;
    if (const auto* list = get_if<List>(ref)) return list->items;
    throw Error(fmt::format("{} is {}, not a tuple", what, describe(ref)));
}

Dims Values::dims(Ref ref, std::string_view what) const {
    Dims dims;
    for (const Ref size : sequence(ref, what)) dims.push_back(count(size, what));
    return dims;
}

std::optional<std::span<const std::pair<Ref, Ref>>> Values::mapping(Ref ref) const {
    if (const auto* dict = get_if<Dict>(ref)) return dict->items;
    const auto* made = get_if<Made>(ref);
    if (made == nullptr || symbol(ref) != Symbol::mapping) return std::nullopt;
    if (made->contents == kNone) return std::span<const std::pair<Ref, Ref>>();
    const auto* contents = get_if<Dict>(made->contents);
    if (contents == nullptr) return std::nullopt;
    return contents->items;
}

std::pair<std::string_view, std::string_view> Values::global(Ref ref) const {
    const auto* global = get_if<Global>(ref);
    if (global == nullptr) return {};
    return {get_if<Text>(global->module)->value, get_if<Text>(global->name)->value};
}

StorageId Values::storage_id(Ref ref) const {
    const auto* persistent = get_if<Persistent>(ref);
    if (persistent == nullptr) throw Error(fmt::format("a storage is {}, not a storage", describe(ref)));
    const std::size_t least = 5, items = ids_ == StorageIds::legacy ? least + 1 : least;
    const auto* id = get_if<Tuple>(persistent->id);
    if (id == nullptr || id->items.size() != items || get_if<Global>(id->items[1]) == nullptr ||
        view(id->items[0], "the kind of a storage") != "storage") {
        throw Error("a storage has a persistent id that PyTorch does not write: the file is damaged");
    }
    if (items > least && id->items[least] != kNone) {
        throw Error(
            "a storage is a part of another one, as PyTorch before 0.4 saved it: load and save it with a newer "
            "PyTorch");
    }
    return {id->items[1], view(id->items[2], "the key of a storage"), view(id->items[3], "the place of a storage"),
            static_cast<std::int64_t>(count(id->items[4], "the size of a storage"))};
}

bool Values::is_class_id(Ref persistent) const {
    const auto* id = get_if<Tuple>(get_if<Persistent>(persistent)->id);
    const auto* kind = id == nullptr || id->items.empty() ? nullptr : get_if<Text>(id->items[0]);
    return ids_ == StorageIds::legacy && kind != nullptr && kind->value == "module";
}

std::unordered_map<std::string_view, StorageId> Values::storages() const {
    std::unordered_map<std::string_view, StorageId> found;
    for (Ref ref = 0; ref < count(); ++ref) {
        if (get_if<Persistent>(ref) == nullptr || is_class_id(ref)) continue;
        const StorageId id = storage_id(ref);
        StorageId& known = found.try_emplace(id.key, id).first->second;
        if (known.count == 0) known = id;  // an empty storage may have been of any type
        const bool is_same = id.count == known.count && global(id.type) == global(known.type);
        if (is_same || id.count == 0) continue;
        throw Error(fmt::format(
            "storage 'data/{}' is said to be of two types or lengths: the file is damaged: copy or save it again",
            id.key.substr(0, 100)));
    }
    return found;
}

std::span<const Ref> Values::args(Ref made) const {
    const auto* found = get_if<Made>(made);
    const auto* tuple = found == nullptr ? nullptr : get_if<Tuple>(found->args);
    if (tuple == nullptr) return {};
    return tuple->items;
}

std::optional<Ref> Values::in_state(Ref state, std::string_view name) const {
    if (const auto* parts = get_if<Tuple>(state)) {
        if (parts->items.size() != 2) return std::nullopt;
        // Python sets the slots last.
        for (const Ref part : std::views::reverse(parts->items)) {
            if (get_if<Dict>(part) == nullptr) continue;
            if (const std::optional<Ref> found = in_state(part, name)) return found;
        }
        return std::nullopt;
    }
    const auto* dict = get_if<Dict>(state);
    if (dict == nullptr) return std::nullopt;
    refuse_many_attributes(dict->items.size());
    // As in Python, the last of several values for a key counts.
    for (const auto& [key, value] : std::views::reverse(dict->items)) {
        const auto* text = get_if<Text>(key);
        if (text != nullptr && text->value == name) return value;
    }
    return std::nullopt;
}

std::vector<std::string_view> Values::names_in_state(Ref state) const {
    std::vector<std::string_view> names;
    const auto add = [&](Ref part) {
        if (part == kNone) return;
        const auto* dict = get_if<Dict>(part);
        if (dict == nullptr) throw Error(fmt::format("its attributes are {}, not a dictionary", describe(part)));
        refuse_many_attributes(dict->items.size());
        for (const auto& [key, value] : dict->items) names.push_back(view(key, "the name of an attribute"));
    };
    const auto* parts = get_if<Tuple>(state);
    if (parts == nullptr) {
        add(state);
    } else if (parts->items.size() == 2) {
        for (const Ref part : parts->items) add(part);
    } else {
        throw Error(fmt::format("its attributes are a tuple of {}, not of 2", parts->items.size()));
    }
    return names;
}

std::optional<Ref> Values::attribute(Ref object, std::string_view name) const {
    const auto* made = get_if<Made>(object);
    if (made == nullptr) return std::nullopt;
    if (symbol(object) <= Symbol::inert) throw Error(fmt::format("it needs {}, which is not known", describe(object)));
    return in_state(made->state, name);
}

Ref Values::required(Ref object, std::string_view name) const {
    if (const std::optional<Ref> found = attribute(object, name)) return *found;
    throw Error(fmt::format("{} has no attribute '{}': it is of a PyTorch release that is not known yet",
                            describe(object), name));
}

}  // namespace unshard::torch
