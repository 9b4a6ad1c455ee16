// The text of the error that a call throws, so that tests compare whole messages.
#pragma once

#include "unshard/tools/error.hpp"

#include <string>

namespace unshard::test {

/// What messages about a plugin's results end with.
inline const std::string kMistake = ": this is a mistake in the plugin, tell its author";

/// "" when nothing is thrown.
template <class Call>
std::string error_of(Call call) {
    try {
        call();
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

}  // namespace unshard::test
