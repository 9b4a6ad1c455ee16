#include "limits.hpp"

#include "support/catch.hpp"

using namespace unshard::gguf;

namespace {

/// What is said of a model with these counts; empty when nothing is.
std::string said_of(const std::vector<std::pair<std::string, std::uint32_t>>& counts) {
    KeyValues metadata;
    metadata.set("moe.block_count", 2U);
    for (const auto& [key, count] : counts) metadata.set("moe." + key, count);
    try {
        check_limits(metadata, "moe");
    } catch (const std::exception& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("counts that llama.cpp takes pass") {
    CHECK(said_of({}).empty());
    CHECK(said_of({{"block_count", 512}}).empty());
    CHECK(said_of({{"expert_count", 8}, {"expert_used_count", 8}, {"expert_group_count", 1}}).empty());
    CHECK(
        said_of(
            {{"expert_count", 8}, {"expert_used_count", 2}, {"expert_group_count", 4}, {"expert_group_used_count", 3}})
            .empty());
}

TEST_CASE("counts that llama.cpp aborts on are refused with both values") {
    CHECK(
        said_of({{"block_count", 513}}) ==
        "config.json: it makes the key 'moe.block_count' 513: llama.cpp would not load the file, it must be 1 to 512");
    CHECK(said_of({{"expert_count", 1025}})
              .ends_with("'moe.expert_count' 1025: llama.cpp would not load the file, it must "
                         "be at most 1024"));
    CHECK(said_of({{"expert_count", 4}, {"expert_used_count", 5}}).ends_with("it must be 1 to 4, all experts"));
    CHECK(said_of({{"expert_count", 4}}).ends_with("it must be 1 to 4, all experts"));
    CHECK(said_of({{"expert_count", 4}, {"expert_used_count", 2}, {"expert_group_count", 3}})
              .ends_with("it must be less than 4, the experts, and divide them"));
    CHECK(
        said_of(
            {{"expert_count", 4}, {"expert_used_count", 2}, {"expert_group_count", 2}, {"expert_group_used_count", 2}})
            .ends_with("it must be 1 or more, and less than 2, all groups"));
}
