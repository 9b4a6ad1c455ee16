#include "copy/element_text.hpp"

#include "copy/convert.hpp"

#include <fmt/format.h>

#include <cstring>

namespace unshard {
namespace {

template <class T>
std::string number_text(std::span<const std::byte> element) {
    T value;
    std::memcpy(&value, element.data(), sizeof value);
    return fmt::format("{}", value);
}

std::string value_text(DType dtype, std::span<const std::byte> element) {
    switch (dtype) {
        case DType::f64:
            return number_text<double>(element);
        case DType::i64:
            return number_text<std::int64_t>(element);
        case DType::i32:
            return number_text<std::int32_t>(element);
        case DType::i16:
            return number_text<std::int16_t>(element);
        case DType::i8:
            return number_text<std::int8_t>(element);
        case DType::u64:
            return number_text<std::uint64_t>(element);
        case DType::u32:
            return number_text<std::uint32_t>(element);
        case DType::u16:
            return number_text<std::uint16_t>(element);
        case DType::u8:
        case DType::boolean:
            return number_text<std::uint8_t>(element);
        case DType::c64:
            return number_text<float>(element) + "+" + number_text<float>(element.subspan(4)) + "j";
        default:
            break;
    }
    float value = 0;
    convert({dtype, DType::f32}, element.data(), 1, reinterpret_cast<std::byte*>(&value));
    return fmt::format("{}", value);
}

/// The bits as one number, for values that look alike (two NaNs).
std::string bits_text(std::span<const std::byte> element) {
    std::string text = "0x";
    for (std::size_t i = element.size(); i-- > 0;) text += fmt::format("{:02x}", std::to_integer<unsigned>(element[i]));
    return text;
}

}  // namespace

std::string both_values(const Element& a, const Element& b) {
    const std::string text_a = value_text(a.dtype, a.bytes);
    const std::string text_b = value_text(b.dtype, b.bytes);
    if (text_a == text_b) return bits_text(a.bytes) + " and " + bits_text(b.bytes);
    return text_a + " and " + text_b;
}

}  // namespace unshard
