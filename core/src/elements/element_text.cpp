#include "elements/element_text.hpp"

#include "elements/convert.hpp"
#include "elements/integers.hpp"

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
    std::string text;
    const auto as_integer = [&](auto zero) { text = number_text<decltype(zero)>(element); };
    if (with_integer(dtype, as_integer)) return text;
    if (dtype == DType::f64) return number_text<double>(element);
    if (dtype == DType::c128) return number_text<double>(element) + "+" + number_text<double>(element.subspan(8)) + "j";
    if (dtype == DType::c64) return number_text<float>(element) + "+" + number_text<float>(element.subspan(4)) + "j";
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
