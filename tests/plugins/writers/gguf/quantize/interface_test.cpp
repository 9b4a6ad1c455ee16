#include "inputs.hpp"
#include "support/catch.hpp"

#include "container.hpp"
#include "quantize/quantize.hpp"

#include <limits>
#include <stdexcept>
#include <string>

namespace unshard::gguf {
namespace {

std::string refusal(std::string_view type, std::size_t values, std::uint64_t row_elems, std::size_t bytes) {
    std::vector<std::byte> out(bytes);
    try {
        quantize(*find_block_type(type), std::vector<float>(values), row_elems, out);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "accepted";
}

std::vector<std::byte> quantized(const BlockType& type, std::span<const float> values) {
    std::vector<std::byte> out(stored_bytes(type.type, values.size()));
    quantize(type, values, 256, out);
    return out;
}

bool fits_halves(std::string_view name, float value) {
    const BlockType& type = *find_block_type(name);
    std::vector<float> values(512);
    values[511] = value;
    return halves_are_finite(type, quantized(type, values));
}

}  // namespace

TEST_CASE("rows that are cut anywhere quantise to the same bytes") {
    const std::vector<float> values = make_input(input_kinds()[0], 5 * 256, 9);
    for (const BlockType& type : block_types()) {
        std::vector<std::byte> in_parts = quantized(type, std::span(values).first(256));
        const std::vector<std::byte> rest = quantized(type, std::span(values).subspan(256));
        in_parts.insert(in_parts.end(), rest.begin(), rest.end());
        INFO(std::string(info(type.type).name));
        CHECK(in_parts == quantized(type, values));
    }
}

TEST_CASE("rows, values and output must fit the blocks") {
    CHECK(refusal("q4_k", 288, 288, 162) == "q4_k: rows of 288 elements are not whole blocks of 256");
    CHECK(refusal("q8_0", 96, 64, 102) == "q8_0: 96 values are not whole rows of 64");
    CHECK(refusal("q8_0", 64, 32, 67) == "q8_0: the output has 67 bytes, the blocks take 68");
    CHECK(refusal("q8_0", 64, 0, 68) == "q8_0: rows of 0 elements are not whole blocks of 32");
    CHECK(refusal("q8_0", 64, 32, 68) == "accepted");
    CHECK(refusal("q8_0", 0, 32, 0) == "accepted");
}

TEST_CASE("an unknown block type is null") {
    CHECK(find_block_type("q4_0")->type == Type::q4_0);
    CHECK(find_block_type("Q4_0") == nullptr);
    CHECK(find_block_type("f16") == nullptr);
}

TEST_CASE("a NaN or an infinity is found wherever it is") {
    for (const std::size_t at : {0u, 15u, 16u, 63u, 64u, 66u}) {
        std::vector<float> values(67, std::numeric_limits<float>::max());
        CHECK(all_finite(values));
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
            values[at] = bad;
            CHECK_FALSE(all_finite(values));
        }
    }
    CHECK(all_finite({}));
}

TEST_CASE("a scale that fp16 cannot hold is found") {
    // Largest finite half: 65504. q8_0's step is the 127th part of the extreme, q4_1 stores the minimum as it is.
    CHECK(fits_halves("q8_0", 65504.0f * 127));
    CHECK_FALSE(fits_halves("q8_0", 65520.0f * 127));
    CHECK(fits_halves("q4_1", 65504.0f * 15));
    CHECK_FALSE(fits_halves("q4_1", -65520.0f));
    CHECK_FALSE(fits_halves("q2_k", -1e7f));
    CHECK_FALSE(fits_halves("q6_k", 1e9f));
}

}  // namespace unshard::gguf
