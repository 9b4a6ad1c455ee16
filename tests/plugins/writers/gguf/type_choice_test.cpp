#include "type_choice.hpp"

#include "support/catch.hpp"

#include <re2/re2.h>

#include <algorithm>

using namespace unshard;
using namespace unshard::gguf;

namespace {

std::vector<TensorInfo> model_of(std::uint64_t layers, bool is_tied, std::uint64_t ff = 512) {
    std::vector<TensorInfo> tensors = {{"token_embd.weight", Dims{400, 256}, {}},
                                       {"output_norm.weight", Dims{256}, {}}};
    if (!is_tied) tensors.push_back({"output.weight", Dims{400, 256}, {}});
    for (std::uint64_t i = 0; i < layers; ++i) {
        const std::string layer = "blk." + std::to_string(i) + ".";
        for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up"}) {
            tensors.push_back({layer + name + ".weight", Dims{256, 256}, {}});
        }
        tensors.push_back({layer + "ffn_down.weight", Dims{256, ff}, {}});
        tensors.push_back({layer + "attn_q.bias", Dims{256}, {}});
    }
    std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return is_before(a.name, b.name); });
    return tensors;
}

struct Chosen {
    std::vector<TensorInfo> tensors;
    std::vector<std::string> warnings;

    Type operator[](const std::string& name) const {
        return std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; })->type;
    }
    /// The layers in which a tensor has the type.
    std::vector<int> layers_with(const std::string& name, Type type) const {
        std::vector<int> layers;
        for (int i = 0; i < 100; ++i) {
            const TensorInfo wanted{"blk." + std::to_string(i) + "." + name, {}, type};
            const auto same = [&](const auto& t) { return t.name == wanted.name && t.type == type; };
            if (std::any_of(tensors.begin(), tensors.end(), same)) layers.push_back(i);
        }
        return layers;
    }
};

Chosen choose(const char* file_type, std::vector<TensorInfo> tensors, TypeChoiceModel model,
              const std::vector<TypeOverride<Type>>& overrides = {}) {
    Chosen chosen{std::move(tensors), {}};
    choose_types(chosen.tensors, *find_file_type(file_type), model, overrides, chosen.warnings);
    return chosen;
}

const TypeChoiceModel kLlama16{"llama", 16, 8, 4, 0};

}  // namespace

TEST_CASE("norms, biases and routers are f32 whatever is asked for") {
    const std::vector<TensorInfo> tensors = {
        {"output_norm.weight", Dims{256}, {}},           {"blk.0.attn_q.bias", Dims{256}, {}},
        {"blk.0.ffn_gate_exps.bias", Dims{4, 256}, {}},  {"blk.0.attn_q_norm.weight", Dims{4, 64}, {}},
        {"blk.0.ffn_gate_inp.weight", Dims{4, 256}, {}}, {"position_embd.weight", Dims{64, 256}, {}}};
    for (const char* file_type : {"f16", "bf16", "q8_0", "q4_k_m"}) {
        for (const TensorInfo& t : choose(file_type, tensors, kLlama16).tensors) CHECK(t.type == Type::f32);
    }
}

TEST_CASE("q8_0 as the converter chooses it has no exceptions but rows that do not fit") {
    const Chosen chosen = choose("q8_0", model_of(2, true, 200), kLlama16);
    CHECK(chosen["token_embd.weight"] == Type::q8_0);
    CHECK(chosen["blk.1.attn_v.weight"] == Type::q8_0);
    CHECK(chosen["blk.1.ffn_down.weight"] == Type::f16);
    CHECK(
        chosen.warnings ==
        std::vector<std::string>{
            "blk.0.ffn_down.weight and 1 more: rows of 200 elements are not whole blocks of 'q8_0': stored as 'f16'"});
}

TEST_CASE("the medium mixtures give some layers more bits") {
    for (const auto& [file_type, base] : {std::pair{"q4_k_m", Type::q4_k}, std::pair{"q5_k_m", Type::q5_k}}) {
        const Chosen chosen = choose(file_type, model_of(16, false), kLlama16);
        const std::vector<int> more = {0, 1, 4, 7, 10, 13, 14, 15};
        CHECK(chosen.layers_with("attn_v.weight", Type::q6_k) == more);
        CHECK(chosen.layers_with("ffn_down.weight", Type::q6_k) == more);
        CHECK(chosen.layers_with("attn_q.weight", base).size() == 16);
        CHECK(chosen["output.weight"] == Type::q6_k);
        CHECK(chosen["token_embd.weight"] == base);
    }
}

TEST_CASE("the small mixture gives the first layers more bits") {
    const Chosen chosen = choose("q4_k_s", model_of(16, false), kLlama16);
    CHECK(chosen.layers_with("attn_v.weight", Type::q5_k) == std::vector<int>{0, 1, 2, 3});
    CHECK(chosen.layers_with("ffn_down.weight", Type::q5_k) == std::vector<int>{0, 1});
}

TEST_CASE("an embedding that is the output too gets the output's type") {
    for (const char* file_type : {"q4_0", "q5_1", "q2_k", "q4_k_m"}) {
        CHECK(choose(file_type, model_of(1, true), kLlama16)["token_embd.weight"] == Type::q6_k);
    }
}

TEST_CASE("rows that are no whole blocks get a type with smaller ones") {
    const auto ffn_down = [](const char* file_type, std::uint64_t ff) {
        return choose(file_type, model_of(8, false, ff), {"llama", 8, 8, 4, 0})
            .layers_with("ffn_down.weight", Type::f16)
            .size();
    };
    const Chosen chosen = choose("q4_k_m", model_of(8, false, 480), {"llama", 8, 8, 4, 0});
    CHECK(chosen.layers_with("ffn_down.weight", Type::q8_0) == std::vector<int>{0, 3, 6, 7});
    CHECK(chosen.layers_with("ffn_down.weight", Type::q5_0) == std::vector<int>{1, 2, 4, 5});
    CHECK(ffn_down("q4_k_m", 200) == 8);
    CHECK(ffn_down("q5_0", 200) == 8);
}

TEST_CASE("few heads for many, eight experts and 80 layers are exceptions") {
    CHECK(choose("q2_k", model_of(1, false), {"llama", 1, 8, 2, 0})["blk.0.attn_v.weight"] == Type::q4_k);
    CHECK(choose("q2_k", model_of(1, false), {"llama", 1, 8, 4, 0})["blk.0.attn_v.weight"] == Type::q3_k);
    const Chosen mixtral = choose("q4_k_m", model_of(2, false), {"llama", 2, 8, 4, 8});
    CHECK(mixtral["blk.1.attn_k.weight"] == Type::q8_0);
    CHECK(mixtral["blk.1.attn_v.weight"] == Type::q8_0);
    CHECK(mixtral["blk.1.attn_output.weight"] == Type::q5_k);
    const Chosen large = choose("q4_k_m", model_of(80, false), {"llama", 80, 8, 4, 0});
    CHECK(large.layers_with("attn_v.weight", Type::q4_k).empty());
    CHECK_FALSE(large.layers_with("attn_v.weight", Type::q5_k).empty());
}

TEST_CASE("an override wins over the file type, but not over what must be f32") {
    const std::vector<TypeOverride<Type>> overrides = {{std::make_shared<re2::RE2>("blk\\.0\\.attn_v"), Type::bf16},
                                                       {std::make_shared<re2::RE2>("attn_v|norm"), Type::q8_0}};
    const Chosen chosen = choose("q4_k_m", model_of(2, false), {"llama", 2, 8, 4, 0}, overrides);
    CHECK(chosen["blk.0.attn_v.weight"] == Type::bf16);
    CHECK(chosen["blk.1.attn_v.weight"] == Type::q8_0);
    CHECK(chosen["output_norm.weight"] == Type::f32);
}

TEST_CASE("an override that no tensor's name matches is a warning") {
    const std::vector<TypeOverride<Type>> overrides = {{std::make_shared<re2::RE2>("atn_v"), Type::q8_0}};
    CHECK(choose("q4_k_m", model_of(2, false), {"llama", 2, 8, 4, 0}, overrides).warnings ==
          std::vector<std::string>{"option 'types': no tensor of the GGUF file has a name with 'atn_v' in it"});
}

TEST_CASE("tensors outside of layers come first, then layers as numbers") {
    CHECK(is_before("token_embd.weight", "blk.0.a"));
    CHECK(is_before("blk.2.z", "blk.10.a"));
    CHECK(is_before("blk.2.a", "blk.2.b"));
    CHECK_FALSE(is_before("blk.2.a", "blk.2.a"));
}
