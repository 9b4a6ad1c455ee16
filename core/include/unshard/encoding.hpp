// How elements are stored: plain, or several together in a block.
#pragma once

#include "unshard/dtype.hpp"

#include <cstdint>
#include <string>

namespace unshard {

/// Blocks never cross the end of a row (the last dimension).
struct Encoding {
    std::string name;  ///< a DType's name, or one that only some readers and writers know
    std::uint64_t block_elems = 1;
    std::uint64_t block_bytes = 0;
    friend bool operator==(const Encoding&, const Encoding&) = default;
};

/// The encoding of plain elements.
inline Encoding encoding_of(DType dtype) {
    return {to_string(dtype), 1, size_of(dtype)};
}

}  // namespace unshard
