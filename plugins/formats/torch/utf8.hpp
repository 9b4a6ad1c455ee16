// Whether bytes are a text that Python's pickle accepts: UTF-8, in which surrogates may stand alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace unshard::torch {

/// RFC 3629, section 4, and surrogates; no overlong forms, nothing beyond U+10FFFF.
inline bool is_utf8(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t at = 0; at < text.size();) {
        const unsigned lead = byte(at);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (length == 0 || lead > 0xf4 || length > text.size() - at) return false;
        const auto is_continued = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; };
        if (!std::ranges::all_of(text.substr(at + 1, length - 1), is_continued)) return false;
        if (lead == 0xe0 && byte(at + 1) < 0xa0) return false;
        if (lead == 0xf0 && byte(at + 1) < 0x90) return false;
        if (lead == 0xf4 && byte(at + 1) > 0x8f) return false;
        at += length;
    }
    return true;
}

}  // namespace unshard::torch
