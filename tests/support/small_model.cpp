#include "small_model.hpp"

#include "temp_dir.hpp"

#include <cstring>

namespace unshard::test {
namespace {

Copy copy_of(std::uint32_t tensor, std::uint32_t number, const Shard& shard, const Dims& origin) {
    Copy copy;
    copy.tensor = tensor;
    copy.shard = number;
    copy.stride = shard.spec->stride;
    copy.box = {origin, shard.spec->shape};
    return copy;
}

}  // namespace

SmallModel::SmallModel(std::uint32_t ranks, const std::string& directory) : files(ranks) {
    index.ranks = ranks;
    for (std::uint32_t r = 0; r < ranks; ++r) index.files.push_back({directory + "/rank" + std::to_string(r), 0});
}

Shard SmallModel::store(std::uint32_t rank, const Dims& shape, const std::vector<float>& values) {
    Shard shard = contiguous_shard(rank, files[rank].size(), DType::f32, {.shape = shape});
    shard.rank = rank;
    files[rank].resize(shard.offset + shard.bytes);
    if (!values.empty()) std::memcpy(&files[rank][shard.offset], values.data(), shard.bytes);
    index.files[rank].bytes = files[rank].size();
    return shard;
}

void SmallModel::add_rows(const std::string& name, std::uint64_t columns,
                          const std::vector<std::vector<float>>& parts) {
    SourceTensor source{name, DType::f32, std::nullopt, {}};
    PlannedTensor planned;
    planned.name = name;
    std::uint64_t rows = 0;
    for (std::uint32_t r = 0; r < parts.size(); ++r) {
        const Shard shard = store(r, {parts[r].size() / columns, columns}, parts[r]);
        planned.copies.push_back(copy_of(static_cast<std::uint32_t>(index.tensors.size()), r, shard, {rows, 0}));
        rows += shard.spec->shape[0];
        source.shards.push_back(shard);
    }
    planned.shape = planned.view = {rows, columns};
    index.tensors.push_back(source);
    plan.tensors.push_back(planned);
}

void SmallModel::add_replicated(const std::string& name, const std::vector<std::vector<float>>& of_rank) {
    SourceTensor source{name, DType::f32, std::nullopt, {}};
    PlannedTensor planned;
    planned.name = name;
    planned.shape = planned.view = {of_rank.front().size()};
    for (std::uint32_t r = 0; r < of_rank.size(); ++r) {
        const Shard shard = store(r, planned.shape, of_rank[r]);
        const Copy copy = copy_of(static_cast<std::uint32_t>(index.tensors.size()), r, shard, {0});
        (r == 0 ? planned.copies : planned.replicas).push_back(copy);
        source.shards.push_back(shard);
    }
    index.tensors.push_back(source);
    plan.tensors.push_back(planned);
}

void SmallModel::write_files() const {
    for (std::size_t i = 0; i < files.size(); ++i) write_file(index.files[i].path, files[i]);
}

Layout layout_of(const Plan& plan, DType stored) {
    Layout layout;
    layout.encodings = {encoding_of(stored)};
    std::uint64_t offset = 0;
    for (std::uint32_t i = 0; i < plan.tensors.size(); ++i) {
        Placed placed;
        placed.tensor = i;
        placed.view = plan.tensors[i].shape;
        placed.box = Box::whole(placed.view);
        placed.offset = offset;
        layout.placed.push_back(placed);
        offset += placed.view.numel() * size_of(stored);
    }
    layout.files = {{"model.bin", offset}};
    return layout;
}

}  // namespace unshard::test
