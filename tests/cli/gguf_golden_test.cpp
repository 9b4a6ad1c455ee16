// Whole GGUF files, as hashes. test_gguf.py holds the same files against what llama.cpp's converter and quantiser make,
// and their hashes against this table, which it reads.

#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "unit/engine/temp_dir.hpp"

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
    Golden{"f32", 0xcee77023c62c2af9},    Golden{"f16", 0x94d2b742a02227bf},  Golden{"bf16", 0xa183d4749c970cfd},
    Golden{"auto", 0xa183d4749c970cfd},   Golden{"q8_0", 0x218c780319b4bbd5}, Golden{"q4_0", 0x5921fb549af041b6},
    Golden{"q4_1", 0x2d7be1670d4ded84},   Golden{"q5_0", 0xe5bd93e8ee002799}, Golden{"q5_1", 0xa85b2307d16025e0},
    Golden{"q4_k_m", 0xf2e6ad90598873f6}, Golden{"q6_k", 0xb4b716f919fdb748},
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
