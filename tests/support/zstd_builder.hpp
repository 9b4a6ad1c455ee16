// Zstandard frames as PyTorch's extension writes them: by a stream that does not know the size of its content.
#pragma once

#include <zstd.h>

#include <stdexcept>
#include <string>

namespace unshard::test {

inline std::string zstd_frame(const std::string& content, int level = 3) {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    std::string frame(ZSTD_compressBound(content.size()) + 64, '\0');
    ZSTD_outBuffer out{frame.data(), frame.size(), 0};
    ZSTD_inBuffer in{content.data(), content.size(), 0};
    const std::size_t taken = ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);
    const std::size_t rest = ZSTD_compressStream2(context, &out, &in, ZSTD_e_end);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(taken) != 0 || rest != 0) throw std::runtime_error("zstd failed");
    return frame.substr(0, out.pos);
}

}  // namespace unshard::test
