#include "options.hpp"

#include "support/catch.hpp"

#include <re2/re2.h>

using namespace unshard;
using namespace unshard::gguf;

namespace {

WriterOptions options_of(nlohmann::json options) {
    Request request;
    request.options = std::move(options);
    return read_options(request);
}

}  // namespace

TEST_CASE("without options the type is found out and the file is one") {
    const WriterOptions options = options_of(nlohmann::json::object());
    CHECK(options.file_type == nullptr);
    CHECK(options.max_shard_size == 0);
    CHECK(options_of({{"dtype", "keep"}}).file_type == nullptr);
    CHECK(options_of({{"dtype", "q4_k_m"}}).file_type->number == 15);
}

TEST_CASE("sizes are powers of 1000, with an i of 1024") {
    const auto size = [](const char* text) { return options_of({{"max_shard_size", text}}).max_shard_size; };
    CHECK(size("5GB") == 5'000'000'000);
    CHECK(size("300M") == 300'000'000);
    CHECK(size("2GiB") == std::uint64_t{2} << 30U);
    CHECK(size("77") == 77);
    for (const char* bad : {"0GB", "GB", "5XB", "5 GB", "-1GB", "5i", "99999999999999GB"})
        CHECK_THROWS_AS(size(bad), Error);
}

TEST_CASE("overrides are checked when they are read") {
    const auto types = [](nlohmann::json item) { return options_of({{"types", nlohmann::json::array({item})}}); };
    const WriterOptions options = types({{"match", "attn_v"}, {"type", "q6_k"}});
    CHECK(options.types.size() == 1);
    CHECK(options.types[0].type == Type::q6_k);
    CHECK(re2::RE2::PartialMatch("blk.0.attn_v.weight", *options.types[0].match));
    CHECK_THROWS_AS(types({{"match", "(("}, {"type", "q6_k"}}), UsageError);
    CHECK_THROWS_AS(types({{"match", "a"}, {"type", "q6_k_m"}}), UsageError);
    CHECK_THROWS_WITH(types({{"match", "a"}}),
                      R"(option 'types': {"match":"a"} is not { match = "...", type = "..." })");
}

TEST_CASE("an unknown type or option is named with those that are known") {
    CHECK_THROWS_WITH(options_of({{"dtype", "q4"}}),
                      "dtype 'q4': writer 'gguf' knows auto f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k_s q3_k_m "
                      "q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k");
    CHECK_THROWS_AS(options_of({{"typo", 1}}), UsageError);
}

TEST_CASE("types are written as everybody writes them") {
    const auto name = [](const char* dtype) { return options_of({{"dtype", dtype}}).file_type->name; };
    CHECK(name("Q4_K_M") == "q4_k_m");
    CHECK(name("Q4_K") == "q4_k_m");
    CHECK(name("F16") == "f16");
    CHECK(name("torch.float16") == "f16");
    CHECK(name("fp16") == "f16");
    CHECK(name("bfloat16") == "bf16");
    CHECK(name("float32") == "f32");
    const auto types = nlohmann::json::array({{{"match", "attn_v"}, {"type", "Q6_K"}}});
    CHECK(options_of({{"types", types}}).types.front().type == Type::q6_k);
    CHECK_THROWS_AS(options_of({{"dtype", "float8"}}), UsageError);
}
