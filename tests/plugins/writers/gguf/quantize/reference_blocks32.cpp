// q8_0, q4_0, q4_1, q5_0, q5_1: 32 values, one step and, in the _1 types, one minimum.
// (ggml-quants.c: quantize_row_*_ref.)

#include "reference.hpp"

#include "quantize/blocks.hpp"
#include "quantize/pack.hpp"
#include "quantize/step.hpp"

#include <array>
#include <cfloat>
#include <cstring>

namespace unshard::gguf::reference {
namespace {

using Values = std::span<const float, kBlockElems>;

template <class Block, class Make>
void each_block(std::span<const float> values, std::byte* out, Make make) {
    for (; !values.empty(); values = values.subspan(kBlockElems), out += sizeof(Block)) {
        const Block block = make(values.first<kBlockElems>());
        std::memcpy(out, &block, sizeof block);
    }
}

struct Range {
    float min, max;
};

/// The first of equals: of +0 and -0, which are equal, the sign gets into the minimum's half.
Range range(Values values) {
    Range r{FLT_MAX, -FLT_MAX};
    for (const float v : values) {
        if (v < r.min) r.min = v;
        if (v > r.max) r.max = v;
    }
    return r;
}

/// (value - min) * inverse + offset, cut off at the point.
BlockLevels levels_of(Values values, const Step& step, float min, float offset, int max_level) {
    BlockLevels levels{};
    if (!step.usable) return levels;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const int level = static_cast<int>((values[i] - min) * step.inverse + offset);
        levels[i] = static_cast<std::uint8_t>(std::min(level, max_level));
    }
    return levels;
}

}  // namespace

void q8_0(std::span<const float> values, std::byte* out) {
    each_block<Q8_0>(values, out, [](Values v) {
        const Step step = step_of(std::fabs(extreme(v)) / 127.0f);
        Q8_0 block{step.half, {}};
        for (std::size_t i = 0; step.usable && i < v.size(); ++i) {
            block.levels[i] = static_cast<std::int8_t>(std::round(v[i] * step.inverse));
        }
        return block;
    });
}

void q4_0(std::span<const float> values, std::byte* out) {
    each_block<Q4_0>(values, out, [](Values v) {
        const Step step = step_of(extreme(v) / -8.0f);
        Q4_0 block{step.half, {}};
        pack_nibbles(levels_of(v, step, 0.0f, 8.5f, 15), block.nibbles);
        return block;
    });
}

void q4_1(std::span<const float> values, std::byte* out) {
    each_block<Q4_1>(values, out, [](Values v) {
        const Range r = range(v);
        const Step step = step_of((r.max - r.min) / 15.0f);
        Q4_1 block{step.half, half_from_float(r.min), {}};
        pack_nibbles(levels_of(v, step, r.min, 0.5f, 15), block.nibbles);
        return block;
    });
}

void q5_0(std::span<const float> values, std::byte* out) {
    each_block<Q5_0>(values, out, [](Values v) {
        const Step step = step_of(extreme(v) / -16.0f);
        const BlockLevels levels = levels_of(v, step, 0.0f, 16.5f, 31);
        Q5_0 block{step.half, {}, {}};
        pack_nibbles(levels, block.nibbles);
        pack_fifth_bits(levels, block.fifth_bits);
        return block;
    });
}

void q5_1(std::span<const float> values, std::byte* out) {
    each_block<Q5_1>(values, out, [](Values v) {
        const Range r = range(v);
        const Step step = step_of((r.max - r.min) / 31.0f);
        const BlockLevels levels = levels_of(v, step, r.min, 0.5f, 31);
        Q5_1 block{step.half, half_from_float(r.min), {}, {}};
        pack_nibbles(levels, block.nibbles);
        pack_fifth_bits(levels, block.fifth_bits);
        return block;
    });
}

}  // namespace unshard::gguf::reference
