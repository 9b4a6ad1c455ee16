// The small real checkpoints that the repository holds.
#pragma once

#include <string>

namespace unshard::test {

inline std::string golden(const std::string& name) {
    return std::string(UNSHARD_SOURCE_DIR) + "/tests/golden/" + name;
}

/// FSDP2 on 4 ranks, untied, with a tokenizer.
inline std::string qwen3() {
    return golden("fsdp-qwen3-4ranks/ckpt");
}

/// FSDP2 on 4 ranks, tied.
inline std::string qwen2_tied() {
    return golden("fsdp-qwen2-tied-4ranks/ckpt");
}

}  // namespace unshard::test
