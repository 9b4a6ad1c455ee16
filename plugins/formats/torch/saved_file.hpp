// A file that torch.save wrote, in either of its forms: where the storages lie, and its pickle, checked.
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
    /// is not the whole file. Throws Error: not of torch.save, damaged, of another byte order, or with a pickle
    /// that names what is not allowed.
    SavedFile(const ByteSource& file, std::span<const std::string> opaque, std::optional<ByteRange> range = {});

    const Values& values() const { return contents_.values; }

    /// Where the storage of this key lies. Throws Error when there is none.
    ZipEntry storage(const std::string& key) const;
    /// The entry's bytes. Throws Error when they do not have its CRC-32.
    std::string read(const ZipEntry& entry) const;

private:
    struct Contents {
        ZipEntries entries;
        std::string folder;  ///< "archive/": all entries are in one
        Values values;
    };

    SavedFile(const ByteSource& file, Contents contents) : file_(file), contents_(std::move(contents)) {}
    static Contents read_archive(const ByteSource& file, std::span<const std::string> opaque, ByteRange range);
    static Contents read_contents(const ByteSource& file, std::span<const std::string> opaque,
                                  std::optional<ByteRange> range);

    const ByteSource& file_;
    Contents contents_;
};

}  // namespace unshard::torch
