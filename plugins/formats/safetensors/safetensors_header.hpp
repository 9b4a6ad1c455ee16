// The header of a safetensors file: u64 length of a JSON object, the object, then the tensors' bytes without gaps.
// Source: safetensors/src/tensor.rs. As strict as that library, and bounded by the file's size whatever it claims.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/dtype.hpp"
#include "unshard/encoding.hpp"
#include "unshard/tools/input_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace unshard {

struct SafetensorsEntry {
    std::string name;
    DType dtype = DType::f32;
    Dims shape;
    /// Of elements smaller than a byte: `dtype` is u8, the last dimension of `shape` counts bytes.
    std::optional<Encoding> encoding = std::nullopt;
    std::uint64_t offset = 0;  ///< from the start of the file
    std::uint64_t bytes = 0;
};

struct SafetensorsHeader {
    std::vector<SafetensorsEntry> tensors;  ///< in the order of their bytes
    std::map<std::string, std::string> metadata;
};

namespace detail {

/// Types whose elements lie across bytes: safetensors' name, elements in a block, bytes of a block.
inline const Encoding kSubByteTypes[] = {{"F6_E2M3", 4, 3}, {"F6_E3M2", 4, 3}};

/// Takes the header's JSON as it is read: {name: {dtype, shape, data_offsets}, "__metadata__": {text: text}}. Nothing
/// else is possible, so nothing nests deeper and nothing is stored twice.
class SafetensorsSax : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit SafetensorsSax(std::string file) : file_(std::move(file)) {}

    SafetensorsHeader header;

    bool start_object(std::size_t) override {
        if (++depth_ > 2 || in_array_) fail("nests deeper than it may");
        return true;
    }
    bool end_object() override {
        if (--depth_ == 1 && !in_metadata_) finish_entry();
        in_metadata_ = in_metadata_ && depth_ > 1;
        return true;
    }
    bool key(string_t& name) override {
        if (depth_ == 2) {
            field_ = name;
            if (!in_metadata_ && !fields_.insert(name).second) fail(fmt::format("has '{}' twice", name));
            return true;
        }
        entry_ = {};
        entry_.name = name;
        offsets_ = {};
        fields_.clear();
        in_metadata_ = name == "__metadata__";
        if (!names_.insert(name).second) fail("stands there twice");
        return true;
    }
    bool string(string_t& text) override {
        if (depth_ == 2 && in_metadata_) {
            header.metadata[field_] = text;
        } else if (depth_ == 2 && field_ == "dtype" && !in_array_) {
            set_type(text);
        } else {
            fail("has a text where none may be");
        }
        return true;
    }
    bool start_array(std::size_t) override {
        if (depth_ != 2 || in_array_ || in_metadata_ || (field_ != "shape" && field_ != "data_offsets"))
            fail("has an unexpected array");
        in_array_ = true;
        return true;
    }
    bool end_array() override {
        in_array_ = false;
        return true;
    }
    bool number_unsigned(number_unsigned_t value) override {
        if (!in_array_) fail("has a number where none may be");
        Dims& numbers = field_ == "shape" ? entry_.shape : offsets_;
        if (numbers.rank() == kMaxDims) fail("has more than 8 dimensions");
        numbers.push_back(value);
        return true;
    }
    bool number_integer(number_integer_t) override { fail("has a negative number"); }
    bool number_float(number_float_t, const string_t&) override { fail("has a number that is no integer"); }
    bool null() override { fail("has a null"); }
    bool boolean(bool) override { fail("has a boolean"); }
    bool binary(binary_t&) override { fail("has binary data"); }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        throw Error(fmt::format("{}: not a safetensors file: its header is no JSON at byte {}", file_, 8 + position));
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error(
            fmt::format("{}: {} {}", file_, names_.empty() ? "the header" : fmt::format("'{}'", entry_.name), what));
    }
    void set_type(const std::string& text) {
        if (const auto dtype = find_dtype(&DTypeInfo::safetensors, text)) {
            entry_.dtype = *dtype;
            return;
        }
        const auto packed = std::ranges::find(kSubByteTypes, text, &Encoding::name);
        if (packed == std::end(kSubByteTypes)) fail(fmt::format("dtype '{}' is not known", text));
        entry_.dtype = DType::u8;
        entry_.encoding = *packed;
    }
    /// From elements to bytes.
    void pack_rows() {
        const Encoding type = entry_.encoding ? *entry_.encoding : Encoding{"F4", 2, 1};
        if (entry_.shape.empty() || entry_.shape.back() % type.block_elems != 0) {
            fail(fmt::format("is {} {}, whose rows are no whole bytes: not supported", type.name,
                             to_string(entry_.shape)));
        }
        std::uint64_t& last = entry_.shape[entry_.shape.rank() - 1];
        last = checked_mul(last / type.block_elems, type.block_bytes);
    }
    void finish_entry() {
        if (fields_ != std::set<std::string>{"data_offsets", "dtype", "shape"} || offsets_.rank() != 2) {
            fail("must have dtype, shape and two data_offsets");
        }
        if (offsets_[1] < offsets_[0]) fail("ends before it begins");
        if (entry_.encoding || entry_.dtype == DType::f4x2) pack_rows();
        entry_.offset = offsets_[0];
        entry_.bytes = offsets_[1] - offsets_[0];
        header.tensors.push_back(std::move(entry_));
    }

    std::string file_;
    std::set<std::string> names_, fields_;
    std::string field_;
    SafetensorsEntry entry_;
    Dims offsets_;
    int depth_ = 0;
    bool in_array_ = false, in_metadata_ = false;
};

/// Tensors follow each other from `begin` to the end of the file, each as long as its shape says.
inline void check_contiguous(const SafetensorsHeader& header, const InputFile& file, std::uint64_t begin) {
    std::uint64_t at = begin;
    for (const SafetensorsEntry& t : header.tensors) {
        const std::string where = fmt::format("{}: '{}' ", file.path(), t.name);
        const std::uint64_t needed = checked_mul(t.shape.numel(), size_of(t.dtype));
        if (t.bytes != needed) {
            throw Error(
                fmt::format("{}takes {} bytes, its shape {} needs {}", where, t.bytes, to_string(t.shape), needed));
        }
        if (t.offset != at) {
            throw Error(fmt::format("{}begins at byte {}, the tensor before it ends at {}", where, t.offset, at));
        }
        at = checked_add(at, t.bytes);
    }
    if (at == file.bytes()) return;
    throw Error(fmt::format("{}: has {} bytes, its header describes {}: the file is truncated or damaged", file.path(),
                            file.bytes(), at));
}

}  // namespace detail

/// Reads and checks a file's header; its contents may begin behind something else. Throws Error that names the file.
inline SafetensorsHeader read_safetensors_header(const InputFile& file, std::uint64_t begin = 0) {
    static constexpr std::uint64_t kMostBytes = 100'000'000;  // as in the library
    const std::uint64_t available = file.bytes() - std::min(begin, file.bytes());
    if (available < 8) throw Error(fmt::format("{}: not a safetensors file: it has {} bytes", file.path(), available));
    const std::string length = file.read(begin, 8);
    std::uint64_t bytes = 0;
    for (std::size_t i = 8; i-- > 0;) bytes = bytes << 8 | static_cast<unsigned char>(length[i]);
    if (bytes > kMostBytes || bytes > available - 8) {
        throw Error(fmt::format("{}: not a safetensors file, or a truncated one: a header of {} bytes in a file of {}",
                                file.path(), bytes, available));
    }
    detail::SafetensorsSax sax(file.path());
    const std::string text = file.read(begin + 8, bytes);
    nlohmann::json::sax_parse(text, &sax);
    for (SafetensorsEntry& t : sax.header.tensors) t.offset = checked_add(t.offset, begin + 8 + bytes);
    std::sort(sax.header.tensors.begin(), sax.header.tensors.end(),
              [](const auto& a, const auto& b) { return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes); });
    detail::check_contiguous(sax.header, file, begin + 8 + bytes);
    return std::move(sax.header);
}

}  // namespace unshard
