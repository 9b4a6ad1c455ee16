// Context for errors: which file, which tensor.
#pragma once

#include "unshard/tools/error.hpp"

#include <string>
#include <string_view>

namespace unshard::torch {

/// Puts `where` in front of the message of an Error that `body` throws, unless it stands there.
template <class Body>
auto in_context(const std::string& where, Body body) {
    try {
        return body();
    } catch (const Error& e) {
        const std::string_view what = e.what();
        throw Error(what.starts_with(where) ? std::string(what) : where + ": " + std::string(what));
    }
}

}  // namespace unshard::torch
