// The smallest checkpoint worth a test: f32 tensors split by rows over a few ranks, one file a rank.
#pragma once

#include "unshard/layout.hpp"

#include <string>
#include <vector>

namespace unshard::test {

struct SmallModel {
    CheckpointIndex index;
    std::vector<std::string> files;  ///< contents, for index.files
    Plan plan;

    explicit SmallModel(std::uint32_t ranks, const std::string& directory = "ckpt");

    /// A tensor of rows of `columns` elements; `parts[r]` are the values of rank r, in whole rows.
    void add_rows(const std::string& name, std::uint64_t columns, const std::vector<std::vector<float>>& parts);
    /// A tensor that every rank holds whole: rank 0 is copied, the others are its replicas.
    void add_replicated(const std::string& name, const std::vector<std::vector<float>>& of_rank);
    void write_files() const;

private:
    Shard store(std::uint32_t rank, const Dims& shape, const std::vector<float>& values);
};

/// One file of all tensors, each in its own type or as `stored`.
Layout layout_of(const Plan& plan, DType stored = DType::f32);

}  // namespace unshard::test
