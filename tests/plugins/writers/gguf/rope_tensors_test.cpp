#include "rope_tensors.hpp"

#include "support/catch.hpp"
#include "unshard/tools/error.hpp"

#include <cmath>

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;

namespace {

ModelSizes sizes_of(const json& rope) {
    return {"llama", {{"rope_parameters", rope}}, {{{"head_dim", 16}}, {}}};
}

}  // namespace

TEST_CASE("llama 3's rope frequencies are those of the converter, bit for bit") {
    KeyValues metadata;
    const ModelSizes sizes = sizes_of({{"rope_type", "llama3"},
                                       {"rope_theta", 500000.0},
                                       {"factor", 8.0},
                                       {"low_freq_factor", 1.0},
                                       {"high_freq_factor", 4.0},
                                       {"original_max_position_embeddings", 64}});
    // convert_hf_to_gguf.py of llama-cpp-python 0.3.36 for head_dim 16.
    const std::vector<float> expected = {1, 0x1.389bf6p+1F, 8, 8, 8, 8, 8, 8};
    CHECK(generate_tensors(Generated::rope_freqs, sizes, metadata, metadata) ==
          std::vector<GeneratedTensor>{{"rope_freqs.weight", expected}});
}

TEST_CASE("other rope types have no frequencies of their own") {
    KeyValues metadata;
    CHECK(generate_tensors(Generated::rope_freqs, sizes_of({{"rope_type", "default"}}), metadata, metadata).empty());
    CHECK(generate_tensors(Generated::none, sizes_of({{"rope_type", "llama3"}}), metadata, metadata).empty());
    CHECK(generate_tensors(Generated::rope_factors, sizes_of({{"rope_type", "default"}}), metadata, metadata).empty());
}

TEST_CASE("long and short factors are written as they are, with their attention factor") {
    KeyValues metadata;
    metadata.set("llama.context_length", std::uint32_t{256});
    metadata.set("llama.rope.scaling.original_context_length", std::uint32_t{64});
    metadata.set("llama.rope.dimension_count", std::uint32_t{4});
    const ModelSizes sizes =
        sizes_of({{"rope_type", "longrope"}, {"long_factor", {2, 3.5}}, {"short_factor", {1, 1.5}}});
    CHECK(
        generate_tensors(Generated::rope_factors, sizes, metadata, metadata) ==
        std::vector<GeneratedTensor>{{"rope_factors_long.weight", {2, 3.5}}, {"rope_factors_short.weight", {1, 1.5}}});
    const Value* factor = metadata.find("llama.rope.scaling.attn_factor");
    REQUIRE(factor != nullptr);
    CHECK(*factor == Value(static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(64.0)))));
}

TEST_CASE("an attention factor and a factor that config.json gives are followed") {
    const auto written = [](const nlohmann::json& more) {
        KeyValues metadata;
        metadata.set("llama.context_length", std::uint32_t{256});
        metadata.set("llama.rope.scaling.original_context_length", std::uint32_t{64});
        metadata.set("llama.rope.dimension_count", std::uint32_t{2});
        nlohmann::json rope = {{"rope_type", "longrope"}, {"long_factor", {2}}, {"short_factor", {1}}};
        rope.update(more);
        generate_tensors(Generated::rope_factors, sizes_of(rope), metadata, metadata);
        return std::get<float>(*metadata.find("llama.rope.scaling.attn_factor"));
    };
    CHECK(written({{"attention_factor", 1.4}, {"factor", 6}}) == 1.4F);
    CHECK(written({{"factor", 6}}) == static_cast<float>(std::sqrt(1 + std::log(6.0) / std::log(64.0))));
    CHECK(written({{"factor", 1}}) == 1);
}

TEST_CASE("factors that do not fit the rotated dimensions are refused") {
    KeyValues metadata;
    metadata.set("llama.rope.dimension_count", std::uint32_t{8});
    const ModelSizes sizes = sizes_of({{"rope_type", "su"}, {"long_factor", {2, 3}}, {"short_factor", {1}}});
    CHECK_THROWS_WITH(
        generate_tensors(Generated::rope_factors, sizes, metadata, metadata),
        "config.json: rope has 2 long and 1 short factors, it rotates 8 dimensions: half as many are needed "
        "of each");
}
