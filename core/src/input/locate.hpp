// Finds the checkpoint in what the user named, the reader for it, and the model's config.json and tokenizer.
#pragma once

#include "pipeline/pipeline.hpp"
#include "plugins/plugin_loader.hpp"

#include <memory>
#include <optional>
#include <string>

namespace unshard {

struct LocatedInput {
    std::string path;  ///< the checkpoint itself: the pipeline's path, or the one checkpoint at most two levels below
    std::string reader_name;
    std::unique_ptr<Reader> reader;
    Request request;  ///< to pass to the reader
};

/// The reader for exactly this path, if one recognizes it: the named one, or the surest of all. Throws Error when two
/// are equally sure.
std::optional<LocatedInput> recognize(const Pipeline::Input& input, const Plugins& plugins, unsigned threads);

/// As `recognize`, and looks below the path too. Throws Error when there is no checkpoint, or several (all are listed),
/// or when two readers are equally sure.
LocatedInput locate_input(const Pipeline::Input& input, const Plugins& plugins, unsigned threads);

/// The directory that holds config.json: `assets` itself when it names one, else the first of the checkpoint, its
/// `huggingface` directory, the directory beside it of that name. Empty when there is none, or when `assets` is "none".
std::string locate_assets(const std::string& assets, const std::string& checkpoint);

}  // namespace unshard
