// What a conversion did.
#pragma once

#include "copy/copy.hpp"
#include "unshard/index.hpp"
#include "unshard/layout.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

struct OutputReport {
    std::string path;
    std::string writer;
    std::vector<OutputFile> files;  ///< without assets
    std::uint64_t bytes = 0;        ///< of all files, without assets
    std::uint64_t tensors = 0;
    std::vector<std::string> assets;
    std::vector<Dropped> dropped;               ///< by the writer
    std::vector<std::string> left_behind = {};  ///< files beside the model that are not copied
};

/// What a conversion did, or, for a dry run, would do.
struct RunReport {
    std::string input, format, reader, merger, assets;
    std::uint64_t ranks = 0, source_files = 0, source_bytes = 0;
    std::uint64_t tensors = 0, parameters = 0;
    std::vector<std::string> name_changes;  ///< what was removed from names, in words
    std::string model_check;                ///< how the tensors compare with those of the model's class, in words
    std::vector<Dropped> dropped;           ///< by the reader, merger and select
    std::vector<std::string> warnings;
    std::vector<OutputReport> outputs;
    CopyReport copied;
    double seconds = 0;
};

}  // namespace unshard
