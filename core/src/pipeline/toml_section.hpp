// Checked access to one table of a pipeline: every key is asked for once, with its type; what is left is unknown.
#pragma once

#include "unshard/tools/error.hpp"

#include <toml++/toml.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace unshard {

/// Throws UsageError, `<file>:<line>:<column>: ...` for what stands in the file and `<option>: ...` for what was given
/// on the command line.
class TomlSection {
public:
    /// `name` is for messages: "[input]". `file` is the pipeline's own; both must outlive the section.
    TomlSection(const toml::table& table, std::string name, const std::string& file)
        : table_(table), name_(std::move(name)), file_(file) {}

    std::string text(const std::string& key, const std::string& fallback);
    bool flag(const std::string& key, bool fallback);
    std::uint64_t number(const std::string& key, std::uint64_t fallback, std::uint64_t least, std::uint64_t most);
    std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& fallback);
    /// Relative paths in the file are relative to the file's directory, those of the command line stay as they are. ""
    /// when the key is not there.
    std::string path(const std::string& key);
    /// `text`, or a path where `is_path` says so.
    template <class IsPath>
    std::string text_or_path(const std::string& key, const std::string& fallback, IsPath is_path) {
        const std::string value = text(key, fallback);
        return is_path(value) ? resolved(value, *table_.get(key)) : value;
    }
    std::vector<std::string> paths(const std::string& key);
    /// The arrays' elements that are tables, each to be read as a section of its own.
    std::vector<TomlSection> sections(const std::string& key, const std::string& name);
    /// A table within; empty when it is not there.
    TomlSection section(const std::string& key);
    /// A table, or an array, of any content; empty when it is not there.
    nlohmann::json json(const std::string& key);
    nlohmann::json json_array(const std::string& key);

    /// Runs `check`; puts the place of the key's value in front of a UsageError.
    template <class Check>
    void check(const std::string& key, Check check) const {
        try {
            check();
        } catch (const UsageError& e) {
            fail(key, e.what());
        }
    }
    /// Throws for a key that nobody asked for, then for the `required` one when it is not there: a mistyped key is the
    /// better thing to say.
    void finish(const std::string& required = "") const;
    /// Throws UsageError at the place of the key, or of the section when the key is not there.
    [[noreturn]] void fail(const std::string& key, const std::string& message) const;

private:
    const toml::node* take(const std::string& key);
    [[noreturn]] void wrong_type(const std::string& key, const toml::node& node, const std::string& wanted) const;
    std::string where(const toml::source_region& source) const;
    std::string resolved(const std::string& path, const toml::node& node) const;
    const toml::array* array(const std::string& key, const std::string& wanted);

    const toml::table& table_;
    std::string name_;
    const std::string& file_;
    std::vector<std::string> known_;
};

}  // namespace unshard
