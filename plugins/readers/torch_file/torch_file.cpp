// A model in files of torch.save, whole tensors, as input: pytorch_model.bin or its parts, as the Hugging Face Hub kept
// models before safetensors, or one file with a model's state dict in it, such as the checkpoints of Lightning, Composer
// and of one's own training loop.

#include "candidates.hpp"
#include "formats/hub/model_files.hpp"
#include "formats/torch/saved_file.hpp"
#include "formats/torch/saved_tree.hpp"
#include "formats/torch/state_dict.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/in_context.hpp"
#include "unshard/tools/name_list.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <utility>

namespace unshard {
namespace {

using hub::ModelFiles;
using torch::in_context;

/// Whether a file holds what looks like a model. Trainers keep other things in files of torch.save too.
bool holds_model(const std::string& path) {
    try {
        const InputFile file(path);
        return torch::has_model(torch::read_tree(torch::SavedFile(file, {}).values()).entries);
    } catch (const Error&) {
        return false;
    }
}

ModelFiles only_candidate(const std::string& directory) {
    const std::vector<std::string> found = torch_file::candidates_in(directory);
    if (found.size() == 1) return {.paths = found};
    if (found.empty()) throw Error("no file of torch.save in it that may be a model");
    std::vector<std::string> names;
    for (const std::string& path : found) names.push_back(std::filesystem::path(path).filename().string());
    throw Error(
        fmt::format("{} files of torch.save, {}: name the one that holds the model", names.size(), name_list(names)));
}

ModelFiles find_files(const std::string& path, bool is_part_wanted) {
    const bool is_directory = has_directory(path);
    if (is_directory && hub::look_at(path, hub::kTorch) != hub::Certainty::model) return only_candidate(path);
    if (!is_directory) torch_file::check_no_other_ranks(path);
    return hub::find_model_files(path, hub::kTorch, is_part_wanted);
}

struct Contents {
    SourceFile file;
    torch::StateDict state;
};

class TorchFileReader : public Reader {
public:
    int probe(const Request& request) override {
        const std::string name = std::filesystem::path(request.input).filename().string();
        if (kind_of(request.input) == PathKind::file) {
            return torch_file::has_usual_ending(name) && !torch_file::is_of_other_format(name) ? 60 : 0;
        }
        if (hub::look_at(request.input, hub::kTorch) == hub::Certainty::model) return 60;
        const std::vector<std::string> found = torch_file::candidates_in(request.input);
        return found.size() == 1 && holds_model(found.front()) ? 20 : 0;
    }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        torch::StateDictRequest wanted{.is_whole = true};
        wanted.opaque = options.take("opaque", wanted.opaque);
        wanted.root = options.take<std::string>("root", torch::kAutoRoot);
        const bool is_part_wanted = options.take("part", false);
        options.finish();
        ModelFiles files = in_context(request.input, [&] { return find_files(request.input, is_part_wanted); });
        if (files.paths.size() > 1 && wanted.root == torch::kAutoRoot) wanted.root = "";  // as transformers saves parts

        std::vector<Contents> contents(files.paths.size());
        std::atomic<std::uint64_t> done = 0;
        parallel_for(contents.size(), request.threads, [&](std::size_t i) {
            const InputFile file(files.paths[i]);
            contents[i] = {source_file(file), torch::read_state_dict(file, wanted)};
            progress(++done, contents.size());
        });

        CheckpointIndex index;
        index.ranks = 1;
        index.is_training_state = true;
        index.format = fmt::format("torch.save, {} {}", contents.size(), contents.size() == 1 ? "file" : "files");
        for (Contents& one : contents) add(std::move(one), index);
        hub::check_against_index(files, index.tensors, index.files);
        std::ranges::move(files.dropped, std::back_inserter(index.dropped));
        return index;
    }

private:
    static void add(Contents contents, CheckpointIndex& index) {
        const auto number = static_cast<std::uint32_t>(index.files.size());
        index.files.push_back(std::move(contents.file));
        for (SourceTensor& tensor : contents.state.tensors) {
            for (Shard& shard : tensor.shards) shard.file = number;
            index.tensors.push_back(std::move(tensor));
        }
        std::ranges::move(contents.state.dropped, std::back_inserter(index.dropped));
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::TorchFileReader, "torch_file", UNSHARD_VERSION,
               "a file of torch.save, or pytorch_model.bin and its parts")
