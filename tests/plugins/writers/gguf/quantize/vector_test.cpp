// Whatever the processor, vector code makes the bytes of the scalar code. Highway can be told which of its targets the
// processor has, so each one that this one has is tried.

#include "inputs.hpp"
#include "reference.hpp"
#include "support/catch.hpp"

#include "container.hpp"
#include "quantize/quantize.hpp"

#include <hwy/targets.h>

#include <string>

namespace unshard::gguf {
namespace {

using Bytes = std::vector<std::byte>;

/// Pretends that the processor has this target alone.
class OnlyTarget {
public:
    explicit OnlyTarget(std::int64_t target) { hwy::SetSupportedTargetsForTest(target); }
    ~OnlyTarget() { hwy::SetSupportedTargetsForTest(0); }
    OnlyTarget(const OnlyTarget&) = delete;
    OnlyTarget& operator=(const OnlyTarget&) = delete;
};

std::vector<std::int64_t> targets() {
    const std::int64_t supported = hwy::SupportedTargets();
    std::vector<std::int64_t> result;
    for (int bit = 0; bit < 63; ++bit) {
        if ((supported >> bit & 1) != 0) result.push_back(std::int64_t{1} << bit);
    }
    return result;
}

Bytes blocks_of(const BlockType& type, BlockFunction quantize, std::span<const float> values) {
    Bytes blocks(stored_bytes(type.type, values.size()));
    quantize(values, blocks.data());
    return blocks;
}

void check_all_inputs(const BlockType& type, std::uint64_t seed) {
    for (const InputKind& kind : input_kinds()) {
        // 17 super-blocks: not a multiple of the two that q4_k and q5_k take at a time.
        const std::vector<float> values = make_input(kind, 17 * 256, seed);
        INFO(std::string(info(type.type).name) + ", " + std::string(kind.name) + ", seed " + std::to_string(seed));
        CHECK(blocks_of(type, type.quantize, values) == blocks_of(type, reference::kByType.at(type.type), values));
    }
}

}  // namespace

TEST_CASE("on every processor vector code makes the bytes of scalar code") {
    for (const std::int64_t target : targets()) {
        const OnlyTarget only(target);
        INFO(hwy::TargetName(target));
        for (const BlockType& type : block_types()) {
            for (std::uint64_t seed = 1; seed <= 2; ++seed) check_all_inputs(type, seed);
        }
    }
}

}  // namespace unshard::gguf
