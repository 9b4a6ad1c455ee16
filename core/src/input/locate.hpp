// Finds the checkpoint in what the user named, the reader for it, and the model's config.json and tokenizer.
#pragma once

#include "pipeline/pipeline.hpp"
#include "plugins/plugin_loader.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

struct LocatedInput {
    std::string path;  ///< the checkpoint itself: the pipeline's path, or the one at most three levels below
    std::string reader_name;
    std::unique_ptr<Reader> reader;
    Request request;                   ///< to pass to the reader
    std::vector<Dropped> passed_over;  ///< optimizers' checkpoints beside it, closed directories
};

/// Throws UsageError when an input or output (`what`) is an address with a scheme, like "s3://bucket/model".
void check_is_path(const std::string& path, std::string_view what);

/// The reader that is surest of the path, or the named one. Unless one is sure of the path itself, looks below it too.
/// Throws Error when there is no checkpoint, or several (all are listed), or when two readers are equally sure.
LocatedInput locate_input(const Pipeline::Input& input, const Plugins& plugins, unsigned threads);

/// The directory that holds config.json: `assets` itself when it names one. Otherwise the first of: the checkpoint (the
/// directory of a file), its `huggingface` and `.hf_metadata`, and the same of the directories above, up to the one
/// that the user `named`, or one more. Outside of the checkpoint itself config.json must be a model's. Empty when there
/// is none, or when `assets` is "none".
std::string locate_assets(const std::string& assets, const std::string& checkpoint, const std::string& named = "");

}  // namespace unshard
