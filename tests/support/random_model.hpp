// Random tensors in random pieces, with what a conversion must write, made element by element.
#pragma once

#include "geometry/lower.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace unshard::test {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    /// From 0 to `last`, both included.
    std::uint64_t up_to(std::uint64_t last) { return std::uniform_int_distribution<std::uint64_t>(0, last)(engine_); }
    bool one_in(std::uint64_t n) { return up_to(n - 1) == 0; }
    std::string bytes(std::uint64_t count);
    template <class T>
    const T& of(const std::vector<T>& values) {
        return values[up_to(values.size() - 1)];
    }
    std::mt19937_64& engine() { return engine_; }

private:
    std::mt19937_64 engine_;
};

/// A checkpoint, a plan and a layout that belong together, and the bytes that the output must have.
struct RandomModel {
    CheckpointIndex index;
    std::vector<std::string> files;  ///< contents, for index.files
    Plan plan;
    Layout layout;  ///< one file, "model.bin"
    std::string expected;

    /// `tensors` random tensors; index.files are to be in `directory`.
    RandomModel(Random& random, std::size_t tensors, const std::string& directory);
    void write_files() const;
};

}  // namespace unshard::test
