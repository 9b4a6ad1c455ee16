// What the verify passes share.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/tools/error.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// A mistake in a plugin: something that a correct one never returns, whatever the checkpoint.
class PluginMistake : public Error {
public:
    using Error::Error;
};

/// Collects everything that a verify pass finds wrong into one error.
class Problems {
public:
    void add(std::string text);

    /// Runs a check; an Error that it throws becomes a problem of `where`.
    template <class Check>
    void collect(std::string_view where, Check check) {
        try {
            check();
        } catch (const PluginMistake& e) {
            is_mistake_ = true;
            add(std::string(where) + ": " + e.what());
        } catch (const Error& e) {
            add(std::string(where) + ": " + e.what());
        }
    }

    /// Throws Error with the first 20 problems, if there are any, and whose mistake they are when that is known.
    void raise() const;

private:
    std::vector<std::string> first_;
    std::uint64_t count_ = 0;
    bool is_mistake_ = false;
};

/// Adds a problem for each tensor name that is empty, too long, not printable, or was there before.
class NameCheck {
public:
    explicit NameCheck(Problems& problems) : problems_(problems) {}
    /// `file` is one that the tensor is in, when that is known.
    void operator()(const std::string& name, std::size_t number, std::string_view file = "");

private:
    Problems& problems_;
    std::set<std::string_view> seen_;
};

/// Throws Error unless a walk of `extent` steps, `first` elements into a storage of `storage_bytes`, stays inside it.
void check_walk(std::uint64_t first, const Dims& extent, const Dims& stride, std::uint64_t elem_bytes,
                std::uint64_t storage_bytes);

}  // namespace unshard
