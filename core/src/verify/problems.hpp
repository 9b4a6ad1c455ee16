// Everything that a verify pass finds wrong, told in one error.
#pragma once

#include "unshard/tools/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// What a correct plugin never says, whatever the checkpoint.
class PluginMistake : public Error {
public:
    using Error::Error;
};

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

}  // namespace unshard
