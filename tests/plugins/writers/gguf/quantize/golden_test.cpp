// ggml's own bytes, as hashes: what golden_hashes.py prints. Every kind of input, one hash a type.

#include "inputs.hpp"
#include "reference.hpp"
#include "support/catch.hpp"

#include "container.hpp"
#include "quantize/quantize.hpp"

#include <array>
#include <string>

namespace unshard::gguf {
namespace {

struct Golden {
    std::string_view type;
    std::uint64_t hash;
};

constexpr std::array kGolden = {
    Golden{"q8_0", 0x6e89d7dc96b9fc5c}, Golden{"q4_0", 0xa751da1e157909dd}, Golden{"q4_1", 0xf888e6e0d72abb79},
    Golden{"q5_0", 0x95141fcd94797902}, Golden{"q5_1", 0xd52582a6b1017fec}, Golden{"q2_k", 0x316823cbcfdf2815},
    Golden{"q3_k", 0x913340978a005d79}, Golden{"q4_k", 0x7866052ecf399aeb}, Golden{"q5_k", 0x6a238366f1f9c50b},
    Golden{"q6_k", 0xb43e0d52a6866350},
};
constexpr std::size_t kElems = 48 * 256;

/// FNV-1a, 64 bits.
std::uint64_t hash_of(std::span<const std::byte> bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte b : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
    return hash;
}

std::uint64_t hash_of_all_inputs(const BlockType& type, BlockFunction quantize) {
    const std::size_t bytes = stored_bytes(type.type, kElems);
    std::vector<std::byte> blocks(input_kinds().size() * bytes);
    std::size_t at = 0;
    for (const InputKind& kind : input_kinds()) {
        quantize(make_input(kind, kElems, 0), blocks.data() + at);
        at += bytes;
    }
    return hash_of(blocks);
}

}  // namespace

TEST_CASE("scalar code makes ggml's bytes") {
    for (const Golden& golden : kGolden) {
        const BlockType& type = *find_block_type(golden.type);
        INFO(std::string(golden.type));
        CHECK(hash_of_all_inputs(type, reference::kByType.at(type.type)) == golden.hash);
    }
}

TEST_CASE("vector code makes ggml's bytes") {
    for (const Golden& golden : kGolden) {
        const BlockType& type = *find_block_type(golden.type);
        INFO(std::string(golden.type));
        CHECK(hash_of_all_inputs(type, type.quantize) == golden.hash);
    }
}

TEST_CASE("every block type has a golden hash") {
    REQUIRE(block_types().size() == kGolden.size());
    for (std::size_t i = 0; i < kGolden.size(); ++i) CHECK(info(block_types()[i].type).name == kGolden[i].type);
}

}  // namespace unshard::gguf
