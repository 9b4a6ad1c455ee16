// GGUF files byte by byte, wrong ones too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unshard::test {

/// A number, little-endian.
template <class T>
std::string le(T value) {
    std::string bytes;
    for (std::size_t i = 0; i < sizeof value; ++i) {
        bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xffU);
    }
    return bytes;
}
inline std::string gguf_text(const std::string& text) {
    return le<std::uint64_t>(text.size()) + text;
}

struct GgufBuilder {
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;
    std::string keys, infos, data;
    std::uint64_t key_count = 0, tensor_count = 0;

    /// `value` is what stands behind the type.
    GgufBuilder& key(const std::string& name, std::uint32_t type, const std::string& value) {
        keys += gguf_text(name) + le(type) + value;
        ++key_count;
        return *this;
    }
    GgufBuilder& key_u32(const std::string& name, std::uint32_t value) { return key(name, 4, le(value)); }
    GgufBuilder& key_text(const std::string& name, const std::string& value) { return key(name, 8, gguf_text(value)); }

    /// `dims` are fastest first, as in the file.
    GgufBuilder& info(const std::string& name, const std::vector<std::uint64_t>& dims, std::uint32_t type,
                      std::uint64_t offset) {
        infos += gguf_text(name) + le(static_cast<std::uint32_t>(dims.size()));
        for (const std::uint64_t d : dims) infos += le(d);
        infos += le(type) + le(offset);
        ++tensor_count;
        return *this;
    }
    /// Its bytes behind those that are there.
    GgufBuilder& tensor(const std::string& name, const std::vector<std::uint64_t>& dims, std::uint32_t type,
                        const std::string& bytes) {
        info(name, dims, type, data.size());
        data += bytes;
        data.resize((data.size() + alignment - 1) / alignment * alignment, '\0');
        return *this;
    }

    std::string header() const { return "GGUF" + le(version) + le(tensor_count) + le(key_count) + keys + infos; }
    std::string bytes() const {
        std::string file = header();
        file.resize((file.size() + alignment - 1) / alignment * alignment, '\0');
        return file + data;
    }
};

}  // namespace unshard::test
