// Typed access to a TOML file; every error says file:line:column.
#pragma once

#include "unshard/tools/error.hpp"

#include <toml++/toml.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard {

class TomlFile {
public:
    /// Throws UsageError when it cannot be read or is not TOML, as all of this does.
    explicit TomlFile(std::string path);

    const toml::table& root() const { return root_; }

    [[noreturn]] void fail(const toml::node& node, const std::string& what) const;
    void check_keys(const toml::table& table, std::initializer_list<std::string_view> known) const;

    std::string text(const toml::node& node) const;
    /// The text of a key that must be there.
    std::string text(const toml::table& table, std::string_view key) const;
    /// A string or an array of strings; nothing when the key is not there.
    std::vector<std::string> texts(const toml::table& table, std::string_view key) const;
    std::vector<const toml::table*> tables(std::string_view key) const { return tables(root_, key); }
    std::vector<const toml::table*> tables(const toml::table& table, std::string_view key) const;
    /// A table's entries in the file's order, for they may use what stands above them; toml++ sorts them by name.
    std::vector<std::pair<std::string, const toml::node*>> entries(std::string_view key) const;

    /// Runs `make`; puts the node's place in front of what it throws.
    template <class Make>
    auto placed(const toml::node& node, Make make) const {
        try {
            return make();
        } catch (const UsageError& e) {
            fail(node, e.what());
        }
    }

private:
    std::string path_;
    toml::table root_;
};

}  // namespace unshard
