// Typed access to the values of a checked pickle. Whatever is not as expected throws an Error that says what it is.
#pragma once

#include "formats/torch/allow_list.hpp"
#include "formats/torch/pickle.hpp"
#include "unshard/dims.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace unshard::torch {

/// One item of a sequence; `what` names the sequence in the Error when it is shorter.
Ref nth(std::span<const Ref> items, std::size_t index, std::string_view what);

/// A persistent id: ('storage', class, key, place, number of elements).
struct StorageId {
    Ref type = kNone;
    std::string_view key;
    std::string_view place;  ///< the device it was on
    std::int64_t count = 0;
};

/// In which form persistent ids stand in a pickle.
enum class StorageIds : std::uint8_t {
    archive,
    legacy,  ///< with None behind the others; and there are ids of classes, ('module', class, file, source)
};

class Values {
public:
    Values(Pickle pickle, std::vector<Symbol> symbols, StorageIds ids = StorageIds::archive)
        : pickle_(std::move(pickle)), symbols_(std::move(symbols)), ids_(ids) {}

    Ref root() const { return pickle_.root; }
    std::size_t count() const { return pickle_.values.size(); }
    Symbol symbol(Ref ref) const { return symbols_[ref]; }
    /// The symbol of a class or function that the pickle names without calling it; `other` for all other values.
    Symbol named_symbol(Ref ref) const { return get_if<Global>(ref) == nullptr ? Symbol::other : symbol(ref); }
    /// Whether it was made by this class or function, in the form that PyTorch writes.
    bool is_made_by(Ref ref, Symbol by) const { return get_if<Made>(ref) != nullptr && symbol(ref) == by; }
    std::string name(Ref ref) const { return name_of(pickle_, ref); }

    template <class T>
    const T* get_if(Ref ref) const {
        return std::get_if<T>(&pickle_.values[ref]);
    }

    /// Whether it was made by a known class or function, in another form than PyTorch writes.
    bool is_in_another_form(Ref ref) const {
        return symbol(ref) == Symbol::unknown && is_known_in_another_form(pickle_, ref);
    }
    /// For messages: "an integer", "a list", "an object of class 'x.Y'".
    std::string describe(Ref ref) const;

    /// `what` names the value in the Error when it is of another type.
    std::string text(Ref ref, std::string_view what) const;
    /// The same without a copy: valid as long as this object.
    std::string_view view(Ref ref, std::string_view what) const;
    bool flag(Ref ref, std::string_view what) const;
    std::uint64_t count(Ref ref, std::string_view what) const;
    /// The items of a tuple, list or torch.Size.
    std::span<const Ref> sequence(Ref ref, std::string_view what) const;
    /// A shape or stride: a sequence of counts.
    Dims dims(Ref ref, std::string_view what) const;
    /// The items of a dict or OrderedDict as written, so that keys may repeat; nothing when it is neither.
    std::optional<std::span<const std::pair<Ref, Ref>>> mapping(Ref ref) const;
    /// The "module" and "name" of a class or function; empty when it is none.
    std::pair<std::string_view, std::string_view> global(Ref ref) const;

    /// Throws Error when the value is no storage of this form.
    StorageId storage_id(Ref ref) const;
    /// All storages by key. Persistent ids with the same key must agree, or an Error is thrown: PyTorch would use the
    /// first and ignore what the others say.
    std::unordered_map<std::string_view, StorageId> storages() const;

    /// The arguments that an object was made with, or a function called with.
    std::span<const Ref> args(Ref made) const;
    /// An attribute in an object's state; nothing when it has none of this name, or for what is no object. Throws Error
    /// for objects of classes that are not known.
    std::optional<Ref> attribute(Ref object, std::string_view name) const;
    /// The same in a state: a dict, or a tuple of a dict and a dict of slots, either of which may be None.
    std::optional<Ref> in_state(Ref state, std::string_view name) const;
    /// The names of all attributes in such a state.
    std::vector<std::string_view> names_in_state(Ref state) const;
    /// An attribute that must be there.
    Ref required(Ref object, std::string_view name) const;

private:
    bool is_class_id(Ref persistent) const;

    Pickle pickle_;
    std::vector<Symbol> symbols_;
    StorageIds ids_;
};

}  // namespace unshard::torch
