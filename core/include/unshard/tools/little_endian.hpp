// Little-endian numbers in bytes from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace unshard::torch {

/// The number in the first sizeof(T) bytes of `bytes`, which must be there.
template <class T>
T load_le(std::string_view bytes) {
    std::make_unsigned_t<T> value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<std::make_unsigned_t<T>>(
            value | static_cast<std::make_unsigned_t<T>>(static_cast<unsigned char>(bytes[i])) << (8 * i));
    }
    return static_cast<T>(value);
}

}  // namespace unshard::torch
