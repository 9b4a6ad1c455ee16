// Device meshes as DTensors carry them, of every PyTorch release since 2.1.
#pragma once

#include "formats/torch/saved_file.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace unshard::torch {

/// Throws Error unless rank `stated`, which saved the file, is rank `named`, which the file's name states. The shards
/// would end up in the place of another rank.
void check_rank(std::uint64_t stated, std::uint64_t named);

/// The meshes of one rank's file, each read once however many tensors lie on it.
class MeshReader {
public:
    /// `rank`: the rank in the file's name.
    MeshReader(const SavedFile& file, std::uint64_t rank) : file_(file), rank_(rank) {}

    /// The number of the mesh in `meshes()`. Throws Error for a mesh that is not sound, and when the mesh says that
    /// another rank saved it.
    std::uint32_t read(Ref mesh);

    /// The number of the submesh along the last `dims` dimensions of mesh `number` that contains this rank. Throws
    /// Error when the rank is not in the mesh.
    std::uint32_t last_dims(std::uint32_t number, std::size_t dims);

    const std::vector<Mesh>& meshes() const { return meshes_; }
    std::uint64_t rank() const { return rank_; }

private:
    std::uint32_t number_of(Mesh mesh);

    const SavedFile& file_;
    std::uint64_t rank_;
    std::vector<Mesh> meshes_;
    std::unordered_map<Ref, std::uint32_t> known_;
    std::unordered_multimap<std::size_t, std::uint32_t> by_hash_;
    std::uint64_t ranks_read_ = 0, ranks_kept_ = 0;  ///< of all meshes together
};

}  // namespace unshard::torch
