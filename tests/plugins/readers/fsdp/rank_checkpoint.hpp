// Directories of FSDP rank files made by hand, and what the reader says about them.
#pragma once

#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"

namespace unshard::test {

/// A directory of rank files, and what the reader says about it.
class Checkpoint {
public:
    Checkpoint() : path_(directory_.path()) {}
    explicit Checkpoint(std::string path) : path_(std::move(path)) {}

    std::string file(const std::string& name, const std::string& bytes) {
        write_file(directory_ / name, bytes);
        return directory_ / name;
    }
    std::string rank(std::uint64_t world, std::uint64_t rank, const std::string& bytes) {
        return file("model_world_size_" + std::to_string(world) + "_rank_" + std::to_string(rank) + ".pt", bytes);
    }
    void ranks(const std::vector<std::string>& files) {
        for (std::size_t r = 0; r < files.size(); ++r) rank(files.size(), r, files[r]);
    }

    CheckpointIndex index(const nlohmann::json& options = nlohmann::json::object()) const {
        return plugins_.reader("fsdp")->index(request(options));
    }
    int probe() const { return plugins_.reader("fsdp")->probe(request(nlohmann::json::object())); }

    /// The error, with the directory's name cut out of it.
    std::string error(const nlohmann::json& options = nlohmann::json::object()) const {
        std::string text = error_of([&] { index(options); });
        for (std::size_t at = text.find(directory_.path()); at != std::string::npos;
             at = text.find(directory_.path())) {
            text.replace(at, directory_.path().size(), "DIR");
        }
        return text;
    }

private:
    Request request(const nlohmann::json& options) const {
        Request request;
        request.input = path_;
        request.options = options;
        return request;
    }

    TempDir directory_;
    std::string path_;
    Plugins plugins_ = bundled_plugins();
};

inline std::string plain_file(const std::string& name = "w") {
    return torch_file(state_dict({{name, floats("0", {1})}}), {"1234"});
}

/// A rank's file with DTensor 'w' of whole shape (8, 2) on a mesh of these ranks.
inline std::string placed_file(const std::vector<std::uint64_t>& mesh,
                               const pickle::Code& placement = shard_placement(0)) {
    const auto size = static_cast<std::int64_t>(mesh.size());
    return file_of(dtensor(floats("0", {4, 2}), {8, 2}, mesh_by_tensor("1", {size}), {placement}),
                   {std::string(32, 'x'), int32_bytes(mesh)});
}

}  // namespace unshard::test
