// Text from files and command lines, made safe for one line of a terminal.
#pragma once

#include <string>
#include <string_view>

namespace unshard {

/// Control characters as \n, \t or \x1b; everything else as it is.
std::string printable(std::string_view text);

}  // namespace unshard
