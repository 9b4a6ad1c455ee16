// Text from files and command lines, made safe for one line of a terminal.
#pragma once

#include <string>
#include <string_view>

namespace unshard {

/// Whether a name can be printed as it is: valid UTF-8 (RFC 3629) without control characters (C0, DEL, C1), and without
/// those that change the direction of text or end lines.
bool is_printable(std::string_view name);

/// Control characters and bytes that are not UTF-8 as \n, \t or \x1b, those of direction as \u202e; everything else as
/// it is.
std::string printable(std::string_view text);

/// Control characters and those of direction as \u0085, as TOML and JSON have them. Throws UsageError for a text that is
/// not UTF-8, which neither of them can say.
std::string with_code_points(std::string_view text);

/// `printable` for several lines.
std::string printable_lines(std::string_view text);

/// `printable`, but the middle of a long text is left out: its beginning says what it is about, its end what to do.
std::string message(std::string_view text);

/// How many bytes of a text, at most `most`, end between characters of UTF-8.
std::size_t whole_characters(std::string_view text, std::size_t most);

}  // namespace unshard
