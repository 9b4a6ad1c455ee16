#include "formats/gguf/split_name.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace unshard::gguf {

std::string split_suffix(std::uint64_t number, std::uint64_t count) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "-%05" PRIu64 "-of-%05" PRIu64 ".gguf", number + 1, count);
    return text.data();
}

}  // namespace unshard::gguf
