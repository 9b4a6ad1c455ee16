// A file that torch.save wrote: its directory and its pickle, checked.
#pragma once

#include "formats/torch/values.hpp"
#include "formats/torch/zip_archive.hpp"
#include "unshard/tools/input_file.hpp"

#include <optional>
#include <span>
#include <string>

namespace unshard::torch {

/// Opened once, then read by any number of functions. Keeps a reference to `file`.
class SavedFile {
public:
    /// `opaque` names classes and functions to let through as inert values. `range` is where the archive lies, when it
    /// is not the whole file. Throws Error: not a zip of torch.save, damaged, of another byte order, or with a pickle
    /// that names what is not allowed.
    SavedFile(const ByteSource& file, std::span<const std::string> opaque, std::optional<ByteRange> range = {});

    const Values& values() const { return values_; }

    /// Where the storage of this key lies. Throws Error when there is none.
    ZipEntry storage(const std::string& key) const;
    /// The entry's bytes. Throws Error when they do not have its CRC-32.
    std::string read(const ZipEntry& entry) const;

private:
    const ByteSource& file_;
    ZipEntries entries_;
    std::string folder_;  ///< "archive/": all entries are in one
    Values values_;
};

}  // namespace unshard::torch
