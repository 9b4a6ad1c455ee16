// A reader for tests: its checkpoints are directories with a file of the reader's name, or with the file `both`.

#include "unshard/plugin.hpp"

#include <filesystem>

namespace unshard {

class MarkerReader : public Reader {
public:
    int probe(const Request& request) override {
        const std::filesystem::path directory(request.input);
        if (std::filesystem::exists(directory / READER_NAME)) return 90;
        return std::filesystem::exists(directory / "both") ? 50 : 0;
    }

    /// One tensor of two values, and the options as metadata.
    CheckpointIndex index(const Request& request) override {
        CheckpointIndex index;
        index.format = READER_NAME " checkpoint";
        index.files = {{request.input + "/" + READER_NAME, 8}};
        index.tensors = {{"weight", DType::f32, std::nullopt, {contiguous_shard(0, 0, DType::f32, {.shape = {2}})}}};
        index.metadata = request.options;
        return index;
    }
};

}  // namespace unshard

UNSHARD_PLUGIN(unshard::MarkerReader, READER_NAME, "1.0", "directories marked " READER_NAME)
