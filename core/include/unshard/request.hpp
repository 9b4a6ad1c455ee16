// What a plugin is asked to do, and how it reads its options.
#pragma once

#include "unshard/tools/error.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace unshard {

/// How far a long index is, in files or what else the plugin counts. May be called often, on any thread.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct Request {
    std::string input;   ///< reader: the path to read
    std::string output;  ///< writer: the path to write
    std::string assets;  ///< merger, writer: the directory of config.json and the tokenizer; empty when there is none
    nlohmann::json options = nlohmann::json::object();
    unsigned threads = 1;
    /// Merger, writer: config.json as transformers reads it, with the defaults of its class; null when there is none.
    nlohmann::json config;
    /// Merger, writer: what is to be changed in config.json, as a JSON merge patch (RFC 7396). Usually empty.
    nlohmann::json config_changes = nlohmann::json::object();
    /// Merger, writer: facts about the model. `tables` is its file in configs/models, or in a directory of the user's,
    /// so that a plugin can keep what it knows about a model in a table of its own there; `file` is that file, and
    /// `places` says where a value stands in it ([line, column] by JSON pointer). Where no file is for the model,
    /// `known` lists the classes that others are for, by table. `kept_f32` and `kept_f32_of_f16` are patterns (RE2) of
    /// the tensors that transformers keeps in float32, always and when float16 is asked for.
    nlohmann::json model = nlohmann::json::object();
    friend bool operator==(const Request&, const Request&) = default;
};

/// A plugin's options: each is taken once, then `finish` refuses what is left. Throws UsageError.
class Options {
public:
    explicit Options(const nlohmann::json& values) : values_(values) {}

    /// The option's value, or `fallback` when it is not given.
    template <class T>
    T take(const std::string& key, T fallback) {
        known_.insert(key);
        const auto it = values_.find(key);
        if (it == values_.end()) return fallback;
        try {
            if (is_in_range<T>(*it)) return it->template get<T>();
        } catch (const nlohmann::json::exception&) {
            // the same message as for a number out of range
        }
        throw UsageError("option '" + key + "': " + it->dump() + " has the wrong type or range");
    }

    void finish() const {
        for (const auto& [key, value] : values_.items()) {
            if (known_.contains(key)) continue;
            std::string names;
            for (const std::string& name : known_) names += (names.empty() ? "" : ", ") + name;
            throw UsageError("unknown option '" + key +
                             "': " + (names.empty() ? "there are none" : "known are " + names));
        }
    }

private:
    /// nlohmann's `get` turns -1 into a huge unsigned number, 1.5 into 1 and true into 1.
    template <class T>
    static bool is_in_range(const nlohmann::json& value) {
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
            if (value.is_number_unsigned()) return std::in_range<T>(value.get<std::uint64_t>());
            return value.is_number_integer() && std::in_range<T>(value.get<std::int64_t>());
        } else if constexpr (std::is_floating_point_v<T>) {
            return value.is_number();
        } else {
            return true;
        }
    }

    const nlohmann::json& values_;
    std::set<std::string> known_;
};

}  // namespace unshard
