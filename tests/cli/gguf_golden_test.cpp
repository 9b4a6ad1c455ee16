// Whole GGUF files, as hashes. test_gguf.py holds the same files against what llama.cpp's converter and quantiser make,
// and their hashes against this table, which it reads.

#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <array>
#include <cstdint>
#include <string_view>

using namespace unshard::test;

namespace {

struct Golden {
    const char* dtype;
    std::uint64_t hash;
};

constexpr std::array kGolden = {
    Golden{"f32", 0xce0d8b34d12e73d0},    Golden{"f16", 0x46fe155e98d3906f},  Golden{"bf16", 0x39f104f92a81ec63},
    Golden{"auto", 0x39f104f92a81ec63},   Golden{"q8_0", 0xf66931a17708b81c}, Golden{"q4_0", 0x13770d01b45edf40},
    Golden{"q4_1", 0x94293690a0ad8796},   Golden{"q5_0", 0x3701c3a3bdadfdc5}, Golden{"q5_1", 0x1f6ad0d3a2cf041e},
    Golden{"q4_k_m", 0x9ee5464304d74606}, Golden{"q6_k", 0x276b947e6648df0a},
};

/// FNV-1a, 64 bits.
std::uint64_t hash_of(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

}  // namespace

TEST_CASE("a GGUF file is the same everywhere") {
    for (const Golden& golden : kGolden) {
        const TempDir directory;
        const std::string output = directory / "model.gguf";
        INFO(golden.dtype);
        REQUIRE(unshard_process({"convert", qwen3(), "-o", output, "--dtype", golden.dtype}).exit_code == 0);
        CHECK(hash_of(read_file(output)) == golden.hash);
    }
}
