// The form of torch.save before PyTorch 1.6, which _use_new_zipfile_serialization=False still writes.
#pragma once

#include "formats/torch/values.hpp"
#include "formats/torch/zip_archive.hpp"
#include "unshard/tools/input_file.hpp"

#include <span>
#include <string>

namespace unshard::torch {

/// Whether a file begins with the number that says so.
bool begins_as_legacy(const ByteSource& file);

struct LegacyFile {
    ZipEntries storages;  ///< "data/<key>", as an archive calls them in its folder
    Values values;
};

/// Reads pickles and sizes, no element. Throws Error unless they fill the file, and every storage that the pickle needs
/// is there, of the size that it says. `opaque`: see SavedFile.
LegacyFile read_legacy(const ByteSource& file, std::span<const std::string> opaque);

}  // namespace unshard::torch
