// Reads a file's header from its beginning on, a window at a time.
#pragma once

#include "unshard/tools/input_file.hpp"
#include "unshard/tools/little_endian.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace unshard::gguf {

/// Whatever is asked for is held against what is left of the file before anything is allocated. Throws Error that says
/// at which byte; the file's name is the caller's to add.
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
    /// A u64 length, at most `most`, and as many bytes; `what` is in messages.
    std::string text(std::uint64_t most, std::string_view what);
    void skip(std::uint64_t count);

    /// Throws Error unless `count` things of at least `least_bytes` each can still follow.
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
