#include "torch/values.hpp"

#include "unshard/error.hpp"

#include <array>
#include <ranges>

namespace unshard::torch {
namespace {

/// Objects of the classes on the list have a dozen attributes. More would only cost time at every look-up.
constexpr std::size_t kMaxAttributes = 100;

constexpr std::array<std::string_view, std::variant_size_v<Value>> kKinds = {
    "None",   "a bool", "an integer",   "an integer beyond 64 bits", "a float",   "a text",   "bytes", "a tuple",
    "a list", "a set",  "a dictionary", "a class or function",       "an object", "a storage"};

}  // namespace

Ref nth(std::span<const Ref> items, std::size_t index, std::string_view what) {
    if (index < items.size()) return items[index];
    throw Error(std::string(what) + " has " + std::to_string(items.size()) + " items, more are needed");
}

std::string Values::describe(Ref ref) const {
    const auto* made = get_if<Made>(ref);
    const std::string full_name = name(ref);
    if (made == nullptr && !full_name.empty()) return "'" + full_name + "'";
    if (made != nullptr && made->is_object) return "an object of class '" + full_name + "'";
    if (made != nullptr) return "what '" + full_name + "' gives";
    return std::string(kKinds[pickle_.values[ref].index()]);
}

std::string Values::text(Ref ref, std::string_view what) const {
    if (const auto* text = get_if<Text>(ref)) return std::string(text->value);
    throw Error(std::string(what) + " is " + describe(ref) + ", not a text");
}

std::uint64_t Values::count(Ref ref, std::string_view what) const {
    const auto* integer = get_if<std::int64_t>(ref);
    if (integer == nullptr) throw Error(std::string(what) + " is " + describe(ref) + ", not an integer of 64 bits");
    if (*integer < 0) throw Error(std::string(what) + " is negative: " + std::to_string(*integer));
    return static_cast<std::uint64_t>(*integer);
}

std::span<const Ref> Values::sequence(Ref ref, std::string_view what) const {
    if (symbol(ref) == Symbol::size && get_if<Made>(ref) != nullptr && args(ref).size() == 1) ref = args(ref)[0];
    if (const auto* tuple = get_if<Tuple>(ref)) return tuple->items;
    if (const auto* list = get_if<List>(ref)) return list->items;
    throw Error(std::string(what) + " is " + describe(ref) + ", not a tuple");
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

std::span<const Ref> Values::args(Ref made) const {
    const auto* found = get_if<Made>(made);
    const auto* tuple = found == nullptr ? nullptr : get_if<Tuple>(found->args);
    if (tuple == nullptr) return {};
    return tuple->items;
}

std::optional<Ref> Values::in_state(Ref state, std::string_view name) const {
    if (const auto* parts = get_if<Tuple>(state)) {
        if (parts->items.size() != 2) return std::nullopt;
        for (const Ref part : parts->items) {
            if (get_if<Dict>(part) == nullptr) continue;
            if (const std::optional<Ref> found = in_state(part, name)) return found;
        }
        return std::nullopt;
    }
    const auto* dict = get_if<Dict>(state);
    if (dict == nullptr) return std::nullopt;
    if (dict->items.size() > kMaxAttributes) {
        throw Error("an object has " + std::to_string(dict->items.size()) +
                    " attributes: that is no checkpoint of PyTorch");
    }
    // As in Python, the last of several values for a key counts.
    for (const auto& [key, value] : std::views::reverse(dict->items)) {
        const auto* text = get_if<Text>(key);
        if (text != nullptr && text->value == name) return value;
    }
    return std::nullopt;
}

std::optional<Ref> Values::attribute(Ref object, std::string_view name) const {
    const auto* made = get_if<Made>(object);
    if (made == nullptr) return std::nullopt;
    return in_state(made->state, name);
}

Ref Values::required(Ref object, std::string_view name) const {
    if (const std::optional<Ref> found = attribute(object, name)) return *found;
    throw Error(describe(object) + " has no attribute '" + std::string(name) +
                "': it is of a PyTorch release that is not known yet");
}

}  // namespace unshard::torch
