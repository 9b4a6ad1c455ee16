// How users write sizes.
#pragma once

#include "unshard/tools/error.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace unshard {

/// Bytes of "5GB", "500M" or "2GiB": powers of 1000, as huggingface_hub and convert_hf_to_gguf.py --split-max-size read
/// them; with an i powers of 1024. Throws UsageError that names the option.
inline std::uint64_t parse_size(const std::string& option, const std::string& text) {
    static constexpr std::string_view kUnits = "KMGT";
    std::uint64_t count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    if (unit.ends_with('B')) unit.remove_suffix(1);
    const bool is_binary = unit.ends_with('i');
    if (is_binary) unit.remove_suffix(1);
    const std::size_t power = unit.size() == 1 ? kUnits.find(unit) + 1 : 0;
    const bool is_unit = unit.empty() ? !is_binary : power != 0;
    if (error != std::errc() || count == 0 || !is_unit) {
        throw UsageError(option + " '" + text + "': not a size; write it like 5GB, 500MB or 2GiB");
    }
    for (std::size_t i = 0; i < power; ++i) {
        if (__builtin_mul_overflow(count, is_binary ? 1024U : 1000U, &count)) {
            throw UsageError(option + " '" + text + "': is more than 2^64 bytes");
        }
    }
    return count;
}

}  // namespace unshard
