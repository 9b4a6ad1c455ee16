// torch.save's archive (torch/serialization.py, caffe2/serialize/inline_container.cc): all entries are in one folder,
// named after the file or "archive":
//     data.pkl     the object, in which each storage is a persistent id with a key
//     data/<key>   the bytes of a storage
//     byteorder    "little" or "big"; not written before PyTorch 2.1
// and a few (version, .format_version, .storage_alignment, .data/serialization_id) that say nothing about the contents.

#include "torch/saved_file.hpp"

namespace unshard::torch {
namespace {

constexpr std::string_view kPickle = "data.pkl";

/// The pickle of a rank of a model with a trillion parameters takes a few MiB.
constexpr std::uint64_t kMaxPickleBytes = 256 << 20;

/// The folder of the archive's one pickle.
std::string find_folder(const ZipEntries& entries) {
    std::optional<std::string> folder;
    for (const auto& [name, entry] : entries) {
        const std::size_t slash = name.find('/');
        if (slash == std::string::npos || std::string_view(name).substr(slash + 1) != kPickle) continue;
        if (folder)
            throw Error("a zip with both '" + *folder + "data.pkl' and '" + name + "': not written by torch.save");
        folder = name.substr(0, slash + 1);
    }
    if (!folder) throw Error("a zip without 'data.pkl': not written by torch.save");
    return *folder;
}

std::string read_entry(const InputFile& file, ZipEntry entry, const std::string& name, std::uint64_t max_bytes) {
    if (entry.bytes <= max_bytes) return file.read(entry.offset, entry.bytes);
    throw Error("'" + name + "' has " + std::to_string(entry.bytes) + " bytes, at most " + std::to_string(max_bytes) +
                " are supported");
}

void check_byte_order(const InputFile& file, const ZipEntries& entries, const std::string& folder) {
    const auto entry = entries.find(folder + "byteorder");
    if (entry == entries.end()) return;
    const std::string order = read_entry(file, entry->second, "byteorder", 16);
    if (order == "big") throw Error("saved on a big-endian machine: save it again on a little-endian one");
    if (order != "little") throw Error("its byte order is '" + order + "', which is neither 'little' nor 'big'");
}

Values read_values(const InputFile& file, ZipEntry entry, std::span<const std::string> opaque) {
    Pickle pickle = parse_pickle(read_entry(file, entry, "data.pkl", kMaxPickleBytes));
    std::vector<Symbol> symbols = check_allowed(pickle, "'data.pkl'", opaque);
    return {std::move(pickle), std::move(symbols)};
}

}  // namespace

SavedFile::SavedFile(const InputFile& file, std::span<const std::string> opaque, std::optional<ByteRange> range)
    : file_(file),
      entries_(read_zip(file, range.value_or(ByteRange{0, file.bytes()}))),
      folder_(find_folder(entries_)),
      values_(read_values(file, entries_.find(folder_ + std::string(kPickle))->second, opaque)) {
    check_byte_order(file_, entries_, folder_);
}

ZipEntry SavedFile::storage(const std::string& key) const {
    const auto found = entries_.find(folder_ + "data/" + key);
    if (found == entries_.end()) throw Error("there is no storage 'data/" + key + "' in the file: it is damaged");
    return found->second;
}

}  // namespace unshard::torch
