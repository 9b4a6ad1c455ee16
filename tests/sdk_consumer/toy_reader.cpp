// Reads toy checkpoints, a format made up for this example: a directory with one file, model.toy.
//
//     toy 1             the format and its version
//     weight 2 3        a tensor of f32: its name and its shape
//     bias 3
//                       an empty line; then the elements of all tensors, little-endian, in the order of the lines

#include "unshard/plugin.hpp"
#include "unshard/tools/input_file.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

namespace {

using namespace unshard;

constexpr std::uint64_t kMaxHeaderBytes = 1 << 20;

std::string file_in(const Request& request) {
    return (std::filesystem::path(request.input) / "model.toy").string();
}

/// The lines before the empty one, with their newlines.
std::string header_of(const InputFile& file) {
    const std::string head = file.read(0, std::min(file.bytes(), kMaxHeaderBytes));
    const std::size_t end = head.find("\n\n");
    if (end == std::string::npos) {
        throw Error(file.path() + ": no empty line in the first " + std::to_string(head.size()) +
                    " bytes: the header is damaged");
    }
    return head.substr(0, end + 1);
}

Dims shape_of(std::istringstream& line, const std::string& where) {
    Dims shape;
    for (std::string word; line >> word;) {
        std::uint64_t size = 0;
        std::istringstream number(word);
        if (word.front() == '-' || !(number >> size) || !number.eof()) {
            throw Error(where + ": '" + word + "' is not a size");
        }
        shape.push_back(size);
    }
    return shape;
}

class ToyReader : public Reader {
public:
    int probe(const Request& request) override {
        const std::string path = file_in(request);
        if (!std::filesystem::is_regular_file(path)) return 0;
        const InputFile file(path);
        return file.bytes() >= 6 && file.read(0, 6) == "toy 1\n" ? 100 : 0;
    }

    CheckpointIndex index(const Request& request) override {
        Options(request.options).finish();
        const InputFile file(file_in(request));
        const std::string header = header_of(file);
        CheckpointIndex index;
        index.format = "toy";
        index.files = {{file.path(), file.bytes()}};
        std::istringstream lines(header);
        std::string line;
        std::getline(lines, line);
        if (line != "toy 1") throw Error(file.path() + ": begins with '" + line + "', 'toy 1' is due");
        std::uint64_t offset = header.size() + 1;
        while (std::getline(lines, line)) {
            index.tensors.push_back(tensor_of(line, file, offset));
            offset += index.tensors.back().shards.front().bytes;
        }
        return index;
    }

private:
    static SourceTensor tensor_of(const std::string& text, const InputFile& file, std::uint64_t offset) {
        std::istringstream line(text);
        SourceTensor tensor;
        line >> tensor.name;
        const std::string where = file.path() + ": tensor '" + tensor.name + "'";
        tensor.shape = shape_of(line, where);
        const Shard shard = whole_tensor_shard(0, offset, tensor.dtype, *tensor.shape);
        if (shard.bytes > file.bytes() - offset) throw Error(where + ": lies behind the end: the file is truncated");
        tensor.shards.push_back(shard);
        return tensor;
    }
};

}  // namespace

UNSHARD_PLUGIN(ToyReader, "toy", "1.0", "toy checkpoints: a text header and raw floats")
