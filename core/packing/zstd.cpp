// A frame says how large a window its reader has to keep: 2 MiB at level 3, which is the usual one, 8 MiB at level 19.

#include "packing/zstd.hpp"

#include <zstd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace unshard {
namespace {

/// The logarithm of the largest window: what level 19 uses.
constexpr int kMaxWindow = 23;

struct FreeContext {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class Unpacker {
public:
    Unpacker(std::uint64_t max_bytes, const UnpackedFn& use) : max_bytes_(max_bytes), use_(use) {
        if (!context_) throw std::bad_alloc();
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindow);
    }

    void take(std::span<const std::byte> packed) {
        ZSTD_inBuffer in{packed.data(), packed.size(), 0};
        std::size_t produced = 0;
        do {
            ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
            expected_ = ZSTD_decompressStream(context_.get(), &out, &in);
            if (ZSTD_isError(expected_) != 0) {
                throw Error(std::string("not zstd, or damaged: ") + ZSTD_getErrorName(expected_));
            }
            produced = out.pos;
            hand_on(produced);
        } while (in.pos < in.size || (expected_ != 0 && produced == buffer_.size()));
    }

    bool is_whole() const { return expected_ == 0; }
    std::uint64_t bytes() const { return bytes_; }

private:
    void hand_on(std::size_t bytes) {
        if (bytes > max_bytes_ - bytes_) {
            throw Error("it unpacks to more than the " + std::to_string(max_bytes_) +
                        " bytes that it can have: it is damaged, or made to fill memory and disk");
        }
        bytes_ += bytes;
        if (bytes != 0) use_(std::span(buffer_).first(bytes));
    }

    std::unique_ptr<ZSTD_DCtx, FreeContext> context_{ZSTD_createDCtx()};
    std::vector<std::byte> buffer_{ZSTD_DStreamOutSize()};
    std::size_t expected_ = 1;  ///< bytes that the frame still wants; 0: it is whole
    std::uint64_t bytes_ = 0;
    std::uint64_t max_bytes_;
    const UnpackedFn& use_;
};

}  // namespace

std::uint64_t unpack_zstd(const InputFile& file, std::uint64_t offset, std::uint64_t bytes, std::uint64_t max_bytes,
                          const UnpackedFn& use) {
    Unpacker unpacker(max_bytes, use);
    std::vector<std::byte> packed(std::min<std::uint64_t>(bytes, ZSTD_DStreamInSize()));
    for (std::uint64_t at = 0; at < bytes; at += packed.size()) {
        const auto part = std::span(packed).first(std::min<std::uint64_t>(packed.size(), bytes - at));
        file.read_at(checked_add(offset, at), part);
        unpacker.take(part);
    }
    if (unpacker.is_whole()) return unpacker.bytes();
    throw Error("its zstd data is truncated after " + std::to_string(unpacker.bytes()) + " bytes of content");
}

}  // namespace unshard
