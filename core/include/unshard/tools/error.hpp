// The one exception type of the project.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>

namespace unshard {

/// Something that stops the conversion. The text follows `<where>: <what is wrong, with both values>: <cure>`, one
/// line. Context is put in front at three places only: the pass, the plugin and the file.
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Wrong usage or configuration: the program exits with 2 instead of 1.
struct UsageError : Error {
    using Error::Error;
};

/// The same form for a path that cannot be looked at: "<path>: File name too long".
inline std::string error_text(const std::filesystem::filesystem_error& e) {
    return e.path1().string() + ": " + e.code().message();
}

}  // namespace unshard
