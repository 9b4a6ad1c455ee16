#include "gguf/cursor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace unshard::gguf {
namespace {

constexpr std::uint64_t kWindowBytes = 1 << 20;

}  // namespace

float Cursor::f32() {
    return std::bit_cast<float>(number<std::uint32_t>());
}

double Cursor::f64() {
    return std::bit_cast<double>(number<std::uint64_t>());
}

std::string Cursor::text(std::uint64_t most, std::string_view what) {
    const std::uint64_t at = position();
    const auto length = number<std::uint64_t>();
    if (length > most || length > left()) {
        throw Error(
            fmt::format("{} at byte {} is {} bytes long, {} are possible", what, at, length, std::min(most, left())));
    }
    std::string result;
    result.reserve(length);
    while (result.size() < length) result += bytes(std::min<std::uint64_t>(length - result.size(), kWindowBytes));
    return result;
}

void Cursor::skip(std::uint64_t count) {
    check_count(count, 1, "bytes");
    if (count <= window_.size() - at_) {
        at_ += count;
        return;
    }
    window_begin_ = position() + count;
    window_.clear();
    at_ = 0;
}

void Cursor::check_count(std::uint64_t count, std::uint64_t least_bytes, std::string_view what) const {
    if (count <= left() / least_bytes) return;
    throw Error(
        fmt::format("says at byte {} that {} {} follow, the file has {} more bytes", position(), count, what, left()));
}

std::string_view Cursor::bytes(std::uint64_t count) {
    if (count > window_.size() - at_) {
        if (count > left()) {
            throw Error(fmt::format("ends at byte {}, within its header: it is truncated", file_.bytes()));
        }
        window_begin_ = position();
        window_ = file_.read(window_begin_, std::min(std::max(count, kWindowBytes), file_.bytes() - window_begin_));
        at_ = 0;
    }
    at_ += count;
    return std::string_view(window_).substr(at_ - count, count);
}

}  // namespace unshard::gguf
