// A directory of files made by hand, and what a reader says about it.
#pragma once

#include "support/bundled_plugins.hpp"
#include "support/error_text.hpp"
#include "support/pickle_builder.hpp"
#include "support/temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace unshard::test {

class ReaderDirectory {
public:
    /// `index_name`: that of the file which says where tensors are.
    ReaderDirectory(std::string reader, std::string index_name)
        : reader_(std::move(reader)), index_name_(std::move(index_name)) {}

    ReaderDirectory& file(const std::string& name, const std::string& bytes) {
        write_file(*this / name, bytes);
        return *this;
    }
    ReaderDirectory& index_file(const nlohmann::json& weight_map) {
        return file(index_name_, nlohmann::json({{"weight_map", weight_map}}).dump());
    }
    ReaderDirectory& remove(const std::string& name) {
        std::filesystem::remove(*this / name);
        return *this;
    }

    std::string operator/(const std::string& name) const { return *directory_ / name; }
    int probe(const std::string& name = "") const { return probe(name, reader_); }
    int probe(const std::string& name, const std::string& reader) const {
        return plugins_.reader(reader)->probe(request(name, {}));
    }
    CheckpointIndex index(const std::string& name = "", const nlohmann::json& options = {}) const {
        return plugins_.reader(reader_)->index(request(name, options));
    }
    /// The error, with the directory's name cut out of it.
    std::string error(const std::string& name = "", const nlohmann::json& options = {}) const {
        std::string text = error_of([&] { index(name, options); });
        for (std::size_t at; (at = text.find(directory_->path())) != std::string::npos;) {
            text.replace(at, directory_->path().size(), "DIR");
        }
        return text;
    }

private:
    Request request(const std::string& name, const nlohmann::json& options) const {
        Request request;
        request.input = name.empty() ? directory_->path() : *directory_ / name;
        if (options.is_object()) request.options = options;
        request.threads = 2;
        return request;
    }

    std::string reader_;
    std::string index_name_;
    std::unique_ptr<TempDir> directory_ = std::make_unique<TempDir>();
    Plugins plugins_ = bundled_plugins();
};

}  // namespace unshard::test
