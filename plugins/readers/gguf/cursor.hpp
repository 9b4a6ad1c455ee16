// Reads a file's header from the beginning, a window at a time.
#pragma once

#include "unshard/tools/input_file.hpp"
#include "unshard/tools/little_endian.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace unshard::gguf {

/// Every length is compared with the rest of the file before memory is allocated. Throws Error that states the byte;
/// the caller adds the file's name.
class Cursor {
public:
    explicit Cursor(const InputFile& file) : file_(file) {}

    /// Bytes from the start of the file.
    std::uint64_t position() const { return window_begin_ + at_; }
    std::uint64_t left() const { return file_.bytes() - position(); }

    template <class T>
    T number() {
        return torch::load_le<T>(bytes(sizeof(T)));
    }
    float f32();
    double f64();
    /// A u64 length, at most `most`, and so many bytes; `what` names the text in messages.
    std::string text(std::uint64_t most, std::string_view what);
    void skip(std::uint64_t count);

    /// Throws Error unless `count` items of at least `least_bytes` each can still follow.
    void check_count(std::uint64_t count, std::uint64_t least_bytes, std::string_view what) const;

private:
    /// The next `count` bytes, at most a window; valid until the next call.
    std::string_view bytes(std::uint64_t count);

    const InputFile& file_;
    std::string window_;
    std::uint64_t window_begin_ = 0;
    std::uint64_t at_ = 0;  ///< in the window
};

}  // namespace unshard::gguf
