// A layout is right when every byte of every file belongs to exactly one literal or destination: no gap is left to
// chance, nothing is written twice.

#include "elements/convert.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"
#include "verify/verify.hpp"
#include "verify/verify_common.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace unshard {
namespace {

/// A piece of an output file.
struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::string owner;
};

void check_encoding(const PlannedTensor& tensor, const Destination& d) {
    const Encoding& e = d.encoding;
    if (e.block_elems == 0 || e.block_bytes == 0) throw Error(fmt::format("encoding '{}' has empty blocks", e.name));
    if (d.row_elems % e.block_elems != 0) {
        throw Error(fmt::format("a row of {} elements is no whole number of '{}' blocks of {}", grouped(d.row_elems),
                                e.name, e.block_elems));
    }
    const std::optional<DType> stored = find_dtype(&DTypeInfo::name, e.name);
    if (!stored) {
        if (!info(tensor.dtype).is_float) {
            throw Error(fmt::format("is {}, only floats can be stored as '{}'", to_string(tensor.dtype), e.name));
        }
        return;
    }
    if (e.block_elems != 1 || e.block_bytes != size_of(*stored)) {
        throw Error(fmt::format("encoding '{}' has blocks of {} elements in {} bytes, an element has {} bytes", e.name,
                                e.block_elems, e.block_bytes, size_of(*stored)));
    }
    if (!is_convertible(tensor.dtype, *stored)) {
        throw Error(fmt::format("is {} and cannot be stored as {}", to_string(tensor.dtype), to_string(*stored)));
    }
}

/// What is computed on (added to, summed) passes through f32, so it must be a float, and not stored as an f8.
void check_arithmetic(const PlannedTensor& tensor, const Destination& d) {
    if (d.add == 0 && !tensor.is_sum) return;
    if (!std::isfinite(d.add)) throw Error("a constant that is not finite is added");
    if (!info(tensor.dtype).is_float) throw Error(fmt::format("is {}, nothing can be added", to_string(tensor.dtype)));
    const std::optional<DType> stored = find_dtype(&DTypeInfo::name, d.encoding.name);
    if (stored && !is_convertible(DType::f32, *stored)) {
        throw Error(fmt::format("is computed and cannot be stored as {}", to_string(*stored)));
    }
}

std::uint64_t stored_bytes(const Destination& d) {
    return checked_mul(d.dims.numel() / d.encoding.block_elems, d.encoding.block_bytes);
}

/// Relative, without "." and "..", in normal form.
void check_path(const std::string& name) {
    if (!is_printable(name))
        throw Error(fmt::format("the name of the file '{}' has control characters or is not UTF-8: rename it",
                                printable(name)));
    std::size_t begin = 0;
    while (begin <= name.size()) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string part = name.substr(begin, end - begin);
        if (part.empty() || part == "." || part == "..") {
            throw Error(fmt::format("'{}' is no plain relative path inside the output", name));
        }
        begin = end + 1;
    }
}

/// The names are paths of different files, and none is a directory on another's path.
void check_names(const Layout& layout, Problems& problems) {
    const bool is_one_file = layout.files.size() == 1 && layout.files.front().name.empty();
    if (is_one_file && layout.assets.empty()) return;
    std::vector<std::string> names;
    for (const OutputFile& f : layout.files) names.push_back(f.name);
    for (const Asset& a : layout.assets) names.push_back(a.name);
    for (const std::string& name : names) problems.collect("output", [&] { check_path(name); });
    const std::set<std::string> distinct(names.begin(), names.end());
    std::map<std::string, int> count;
    for (const std::string& name : names) {
        if (++count[name] == 2) problems.add(fmt::format("output: '{}' is written twice", name));
    }
    for (const std::string& name : distinct) {
        for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
            if (!distinct.contains(name.substr(0, slash))) continue;
            problems.add(fmt::format("output: '{}' is a file and a directory", name.substr(0, slash)));
        }
    }
}

void check_file(const OutputFile& file, std::vector<Extent>& extents, Problems& problems) {
    const auto where = [&](std::uint64_t offset) { return fmt::format("{}: byte {}", file.name, grouped(offset)); };
    std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
        return std::tie(a.offset, a.owner) < std::tie(b.offset, b.owner);
    });
    std::uint64_t end = 0;
    std::string previous = "the beginning";
    for (const Extent& e : extents) {
        if (e.offset > end) problems.add(fmt::format("{} is written by nothing ('{}' is next)", where(end), e.owner));
        if (e.offset < end) {
            problems.add(fmt::format("{} is written by '{}' and by '{}'", where(e.offset), previous, e.owner));
        }
        if (e.offset + e.bytes <= end) continue;
        end = e.offset + e.bytes;
        previous = e.owner;
    }
    if (end < file.bytes) problems.add(fmt::format("{} and what follows is written by nothing", where(end)));
    if (end > file.bytes) {
        problems.add(fmt::format("{}: '{}' ends at byte {}, the file has {}", file.name, previous, grouped(end),
                                 grouped(file.bytes)));
    }
}

/// Which piece of which file each literal and destination is. Empty ones take no place.
class Extents {
public:
    explicit Extents(std::size_t files) : of_file(files) {}

    void add(std::uint32_t file, std::uint64_t offset, std::uint64_t bytes, const std::string& owner) {
        if (file >= of_file.size()) throw PluginMistake(fmt::format("is in file {} of {}", file, of_file.size()));
        checked_add(offset, bytes);
        if (bytes != 0) of_file[file].push_back({offset, bytes, owner});
    }

    std::vector<std::vector<Extent>> of_file;
};

}  // namespace

void verify_layout(const Plan& plan, const Layout& layout, const std::vector<Destination>& destinations) {
    Problems problems;
    check_names(layout, problems);
    Extents extents(layout.files.size());
    for (std::size_t i = 0; i < layout.literals.size(); ++i) {
        const Literal& l = layout.literals[i];
        const std::string owner = fmt::format("literal {}", i);
        problems.collect(owner, [&] { extents.add(l.file, l.offset, l.bytes.size(), owner); });
    }
    for (const Destination& d : destinations) {
        const PlannedTensor& tensor = plan.tensors[d.tensor];
        problems.collect(tensor.name, [&] {
            check_encoding(tensor, d);
            check_arithmetic(tensor, d);
            extents.add(d.file, d.offset, stored_bytes(d), tensor.name);
        });
    }
    problems.raise();
    for (std::size_t i = 0; i < layout.files.size(); ++i) check_file(layout.files[i], extents.of_file[i], problems);
    problems.raise();
}

}  // namespace unshard
