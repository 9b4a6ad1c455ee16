#include "formats/gguf/split_name.hpp"

#include <fmt/format.h>

namespace unshard::gguf {

std::string split_suffix(std::uint64_t number, std::uint64_t count) {
    return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

}  // namespace unshard::gguf
