#include "text/printable.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

/// The length of the well-formed UTF-8 sequence that `s` begins with; 0 when there is none (RFC 3629, section 4).
std::size_t sequence_length(std::string_view s) {
    const auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U; };
    const auto continues = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            if ((byte(i) & 0xC0U) != 0x80U) return false;
        }
        return true;
    };
    const unsigned lead = byte(0);
    const unsigned second = byte(1);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return continues(1, 2) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const bool overlong = lead == 0xE0 && second < 0xA0;
        const bool surrogate = lead == 0xED && second > 0x9F;
        return continues(1, 3) && !overlong && !surrogate ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const bool overlong = lead == 0xF0 && second < 0x90;
        const bool beyond = lead == 0xF4 && second > 0x8F;
        return continues(1, 4) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

bool is_inside_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

unsigned code_point(std::string_view sequence) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
    if (sequence.size() == 1) return byte(0);
    unsigned code = byte(0) & (0x7FU >> sequence.size());
    for (std::size_t i = 1; i < sequence.size(); ++i) code = code << 6U | (byte(i) & 0x3FU);
    return code;
}

/// Marks, embeddings, overrides and isolates of direction (Unicode's Bidi_Control), and separators of lines.
bool is_layout(unsigned code) {
    return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

bool is_control(std::string_view sequence) {
    const unsigned code = code_point(sequence);
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || is_layout(code);
}

std::string escaped(std::string_view bytes) {
    if (bytes == "\n") return "\\n";
    if (bytes == "\t") return "\\t";
    if (sequence_length(bytes) == bytes.size() && is_layout(code_point(bytes))) {
        return fmt::format("\\u{:04x}", code_point(bytes));
    }
    std::string result;
    for (const char c : bytes) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return result;
}

/// `text` with `escape` of each control character and of each byte that is not UTF-8.
template <class Escape>
std::string replaced(std::string_view text, Escape escape) {
    std::string result;
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const std::string_view next = text.substr(0, std::max<std::size_t>(length, 1));
        if (length == 0 || is_control(next)) {
            result += escape(next);
        } else {
            result += next;
        }
        text.remove_prefix(next.size());
    }
    return result;
}

}  // namespace

bool is_printable(std::string_view name) {
    while (!name.empty()) {
        const std::size_t length = sequence_length(name);
        if (length == 0 || is_control(name.substr(0, length))) return false;
        name.remove_prefix(length);
    }
    return true;
}

std::string printable(std::string_view text) {
    return replaced(text, [](std::string_view bytes) { return escaped(bytes); });
}

std::string with_code_points(std::string_view text) {
    return replaced(text, [&](std::string_view bytes) {
        if (sequence_length(bytes) == 0) throw UsageError(fmt::format("'{}' is not UTF-8", text));
        return fmt::format("\\u{:04x}", code_point(bytes));
    });
}

std::string printable_lines(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        result += printable(line);
        text.remove_prefix(line.size());
        if (text.empty()) break;
        result += '\n';
        text.remove_prefix(1);
    }
    return result;
}

std::size_t whole_characters(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text.size();
    while (most > 0 && is_inside_character(text[most])) --most;
    return most;
}

std::string message(std::string_view text) {
    constexpr std::size_t kMost = 2000, kEnd = 500;
    std::string line = printable(text);
    if (line.size() <= kMost) return line;
    const std::size_t first = whole_characters(line, kMost - kEnd);
    std::size_t last = line.size() - kEnd;
    while (last < line.size() && is_inside_character(line[last])) ++last;
    return fmt::format("{} ... ({} bytes more) ... {}", line.substr(0, first), last - first, line.substr(last));
}

}  // namespace unshard
