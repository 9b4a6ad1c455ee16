// A pickle as data: the values it would build, with nothing imported and nothing run.
#pragma once

#include "unshard/tools/error.hpp"

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace unshard::torch {

/// The pickle of a rank of a model with a trillion parameters takes a few MiB.
inline constexpr std::uint64_t kMaxPickleBytes = 256 << 20;

/// A value of a pickle, by its place in `Pickle::values`. Values are shared and may even contain themselves.
using Ref = std::uint32_t;
inline constexpr Ref kNone = 0;  ///< None, in every Pickle

struct None {};
/// An integer beyond 64 bits. No reader needs its value.
struct BigInteger {};
struct Text {
    std::string_view value;  ///< UTF-8; surrogates may stand alone, as Python allows
};
struct Bytes {
    std::string_view value;
};
struct Tuple {
    std::span<const Ref> items;
};
struct List {
    std::vector<Ref> items;
};
struct Set {
    std::vector<Ref> items;
};
struct Dict {
    std::vector<std::pair<Ref, Ref>> items;  ///< as written: keys may repeat
};
/// A class or function, named and not looked up.
struct Global {
    Ref module = kNone;  ///< Text
    Ref name = kNone;    ///< Text
};
/// The result of a call or of making an object, as a record: nothing is called.
struct Made {
    Ref callee = kNone;
    Ref args = kNone;
    Ref kwargs = kNone;
    Ref state = kNone;     ///< what BUILD passed to it
    Ref contents = kNone;  ///< a Dict or List of its items, e.g. for an OrderedDict
    bool is_object = false;
};
/// A value kept outside the pickle, e.g. a storage of a tensor.
struct Persistent {
    Ref id = kNone;
};

using Value = std::variant<None, bool, std::int64_t, BigInteger, double, Text, Bytes, Tuple, List, Set, Dict, Global,
                           Made, Persistent>;

struct Pickle {
    /// What texts and tuples refer to; behind pointers, so that a move keeps them valid.
    std::unique_ptr<const std::string> bytes;
    std::unique_ptr<std::pmr::monotonic_buffer_resource> tuples;
    std::vector<Value> values;
    Ref root = kNone;
};

/// The bytes end before the pickle does.
class PickleGoesOn : public Error {
public:
    using Error::Error;
};

/// Runs the machine of pickle protocols 2 to 5 over `bytes`. Takes time and memory linear in their number. Throws
/// Error.
Pickle parse_pickle(std::string bytes);

/// A pickle that other bytes may follow, and how many bytes it takes.
struct LeadingPickle {
    Pickle pickle;
    std::size_t bytes = 0;
};

/// The same for the pickle that `bytes` begin with. Throws PickleGoesOn when more of them are needed.
LeadingPickle parse_leading_pickle(std::string bytes);

}  // namespace unshard::torch
