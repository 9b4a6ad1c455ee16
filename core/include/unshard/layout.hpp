// What a writer decides before any byte moves: files, their literal bytes, and where each tensor goes.
#pragma once

#include "unshard/encoding.hpp"
#include "unshard/plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

/// An output file. Every byte of it is covered by literals and placed tensors, none twice.
struct OutputFile {
    std::string name;  ///< relative to the output; empty when the output is itself this file
    std::uint64_t bytes = 0;
    friend bool operator==(const OutputFile&, const OutputFile&) = default;
};

struct Literal {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::string bytes;
    friend bool operator==(const Literal&, const Literal&) = default;
};

/// A box of a planned tensor, its axes reordered, written row-major from `offset` on.
struct Placed {
    std::uint32_t tensor = 0;  ///< into Plan::tensors
    Dims view;                 ///< the tensor seen in this shape; same elements, same order. Usually its own shape
    Box box;                   ///< the part of the view that is written
    std::vector<std::uint32_t> axes;  ///< written axis i is axis axes[i] of the view; empty: as they are
    double add = 0;                   ///< added to each element before it is encoded (a norm stored as weight - 1)
    std::uint32_t file = 0;           ///< into Layout::files
    std::uint64_t offset = 0;
    std::uint32_t encoding = 0;  ///< into Layout::encodings
    friend bool operator==(const Placed&, const Placed&) = default;
};

/// A file that is copied byte for byte.
struct Asset {
    std::string source;
    std::string name;  ///< relative to the output
    friend bool operator==(const Asset&, const Asset&) = default;
};

struct Layout {
    std::vector<Encoding> encodings;  ///< a DType's name: the engine converts; the writer's own: it calls `encode`
    std::vector<OutputFile> files;
    std::vector<Literal> literals;
    std::vector<Placed> placed;
    std::vector<Asset> assets;
    std::vector<Dropped> dropped;
    std::vector<std::string> warnings;
    std::vector<std::string> left_behind;  ///< files beside the model that are not copied: named in the summary
    std::uint64_t tensors = 0;             ///< how many the files hold; 0: each of `placed` is one
    friend bool operator==(const Layout&, const Layout&) = default;
};

}  // namespace unshard
