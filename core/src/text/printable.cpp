#include "text/printable.hpp"

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

bool is_control(std::string_view sequence) {
    const auto lead = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return lead < 0x20 || lead == 0x7F;
    return lead == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
}

std::string escaped(std::string_view bytes) {
    if (bytes == "\n") return "\\n";
    if (bytes == "\t") return "\\t";
    std::string result;
    for (const char c : bytes) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
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
    std::string result;
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const std::string_view next = text.substr(0, std::max<std::size_t>(length, 1));
        if (length == 0 || is_control(next)) {
            result += escaped(next);
        } else {
            result += next;
        }
        text.remove_prefix(next.size());
    }
    return result;
}

}  // namespace unshard
