// Text from files and command lines, made safe for one line of a terminal.
#pragma once

#include <string>
#include <string_view>

namespace unshard {

/// Whether a name can be printed as it is: valid UTF-8 (RFC 3629) without control characters (C0, DEL, C1).
bool is_printable(std::string_view name);

/// Control characters and bytes that are not UTF-8 as \n, \t or \x1b; everything else as it is.
std::string printable(std::string_view text);

}  // namespace unshard
