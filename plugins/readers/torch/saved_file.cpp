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

Values read_values(const SavedFile& file, ZipEntry pickle, std::span<const std::string> opaque) {
    if (pickle.bytes > kMaxPickleBytes) {
        throw Error("'data.pkl' has " + std::to_string(pickle.bytes) + " bytes, at most " +
                    std::to_string(kMaxPickleBytes) + " are supported");
    }
    Pickle parsed = parse_pickle(file.read(pickle));
    std::vector<Symbol> symbols = check_allowed(parsed, "'data.pkl'", opaque);
    return {std::move(parsed), std::move(symbols)};
}

}  // namespace

SavedFile::SavedFile(const InputFile& file, std::span<const std::string> opaque, std::optional<ByteRange> range)
    : file_(file),
      entries_(read_zip(file, range.value_or(ByteRange{0, file.bytes()}))),
      folder_(find_folder(entries_)) {
    const auto order = entries_.find(folder_ + "byteorder");
    const std::string bytes = order == entries_.end()
                                  ? "little"
                                  : read({order->second.offset, std::min<std::uint64_t>(order->second.bytes, 16)});
    if (bytes == "big") throw Error("saved on a big-endian machine: save it again on a little-endian one");
    if (bytes != "little") throw Error("its byte order is '" + bytes + "', which is neither 'little' nor 'big'");
    values_ = read_values(*this, entries_.find(folder_ + std::string(kPickle))->second, opaque);
}

ZipEntry SavedFile::storage(const std::string& key) const {
    const auto found = entries_.find(folder_ + "data/" + key);
    if (found == entries_.end()) throw Error("there is no storage 'data/" + key + "' in the file: it is damaged");
    return found->second;
}

}  // namespace unshard::torch
