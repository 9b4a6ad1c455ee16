// Boost.DLL opens; everything that can be checked without calling the plugin is checked here, in the order in which it
// can be trusted: a table is looked at only when the ABI version says what it looks like. Minor versions add members at
// the end, so sizes are compared with those of ABI 1.0 and not with the present sizeof.

#include "plugins/plugin_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <system_error>

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

namespace unshard {
namespace {

constexpr const char* kSymbol = "unshard_plugin";
constexpr const char* kTellTheAuthor = "this is a mistake in the plugin, tell its author";

/// Up to and with the last member of ABI 1.0.
constexpr std::uint64_t kInfoBytes = offsetof(unshard_plugin_info, table) + sizeof(unshard_plugin_info::table);
constexpr std::uint64_t kReaderBytes = offsetof(unshard_reader, index) + sizeof(unshard_reader::index);
constexpr std::uint64_t kMergerBytes = offsetof(unshard_merger, plan) + sizeof(unshard_merger::plan);
constexpr std::uint64_t kWriterBytes = offsetof(unshard_writer, release) + sizeof(unshard_writer::release);

bool is_kind(std::uint32_t kind) {
    return kind >= UNSHARD_KIND_READER && kind <= UNSHARD_KIND_WRITER;
}

std::string version_refusal(const unshard_plugin_info& info) {
    if (info.abi_major != UNSHARD_ABI_MAJOR) {
        return fmt::format("plugin ABI {}.{}, this unshard speaks {}.{}: rebuild the plugin against SDK {}.x",
                           info.abi_major, info.abi_minor, UNSHARD_ABI_MAJOR, UNSHARD_ABI_MINOR, UNSHARD_ABI_MAJOR);
    }
    if (info.abi_minor > UNSHARD_ABI_MINOR) {
        return fmt::format("needs plugin ABI {}.{}, this unshard speaks {}.{}: update unshard", info.abi_major,
                           info.abi_minor, UNSHARD_ABI_MAJOR, UNSHARD_ABI_MINOR);
    }
    return {};
}

std::string null_refusal(std::string_view what) {
    return fmt::format("its {} is null: {}", what, kTellTheAuthor);
}

std::string identity_refusal(const unshard_plugin_info& info, PluginKind kind, const std::string& name) {
    if (!is_kind(info.kind)) return fmt::format("its kind {} is none of 1 to 3: {}", info.kind, kTellTheAuthor);
    if (info.name == nullptr) return null_refusal("name");
    if (info.version == nullptr) return null_refusal("version");
    if (info.summary == nullptr) return null_refusal("summary");
    if (info.table == nullptr) return null_refusal("table");
    const auto actual = static_cast<PluginKind>(info.kind);
    if (actual == kind && info.name == name) return {};
    return fmt::format("holds {} '{}', its file name says {} '{}': call it {}", to_string(actual), info.name,
                       to_string(kind), name, plugin_file_name(actual, info.name));
}

std::string size_refusal(std::string_view what, std::uint64_t size, std::uint64_t least) {
    if (size >= least) return {};
    return fmt::format("its {} has {} bytes, ABI {}.0 has {}: {}", what, size, UNSHARD_ABI_MAJOR, least,
                       kTellTheAuthor);
}

std::string reader_refusal(const unshard_reader& table) {
    if (table.size < kReaderBytes) return size_refusal("table", table.size, kReaderBytes);
    if (table.probe == nullptr) return null_refusal("function 'probe'");
    return table.index == nullptr ? null_refusal("function 'index'") : std::string();
}

std::string merger_refusal(const unshard_merger& table) {
    if (table.size < kMergerBytes) return size_refusal("table", table.size, kMergerBytes);
    return table.plan == nullptr ? null_refusal("function 'plan'") : std::string();
}

/// `encode` may be null: then the writer has no encodings of its own.
std::string writer_refusal(const unshard_writer& table) {
    if (table.size < kWriterBytes) return size_refusal("table", table.size, kWriterBytes);
    return table.layout == nullptr ? null_refusal("function 'layout'") : std::string();
}

std::string table_refusal(const unshard_plugin_info& info) {
    switch (static_cast<PluginKind>(info.kind)) {
        case PluginKind::reader:
            return reader_refusal(*static_cast<const unshard_reader*>(info.table));
        case PluginKind::merger:
            return merger_refusal(*static_cast<const unshard_merger*>(info.table));
        case PluginKind::writer:
            return writer_refusal(*static_cast<const unshard_writer*>(info.table));
    }
    return {};
}

std::string refusal_of(const unshard_plugin_info& info, PluginKind kind, const std::string& name) {
    if (info.magic != UNSHARD_ABI_MAGIC) {
        return fmt::format("symbol '{}' begins with {:#018x}, expected {:#018x}: not an unshard plugin", kSymbol,
                           info.magic, UNSHARD_ABI_MAGIC);
    }
    std::string refusal = version_refusal(info);
    if (refusal.empty()) refusal = size_refusal("unshard_plugin_info", info.size, kInfoBytes);
    if (refusal.empty()) refusal = identity_refusal(info, kind, name);
    if (refusal.empty()) refusal = table_refusal(info);
    return refusal;
}

/// dlerror's text without the path in front, which the caller names already. Boost.DLL's own message always ends in
/// "Bad file descriptor", whatever the reason.
std::string load_failure(const std::filesystem::path& file) {
    const char* text = ::dlerror();
    std::string reason = text == nullptr ? "no reason given" : text;
    const std::string prefix = file.string() + ": ";
    if (reason.starts_with(prefix)) reason.erase(0, prefix.size());
    return "cannot be loaded: " + reason + ": rebuild or reinstall the plugin";
}

}  // namespace

std::string_view to_string(PluginKind kind) {
    switch (kind) {
        case PluginKind::reader:
            return "reader";
        case PluginKind::merger:
            return "merger";
        case PluginKind::writer:
            return "writer";
    }
    return "";
}

std::string plugin_file_name(PluginKind kind, std::string_view name) {
    return fmt::format("unshard-{}-{}.so", to_string(kind), name);
}

bool is_plugin_name(std::string_view name) {
    const auto is_allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
    return !name.empty() && name.front() != '-' && std::all_of(name.begin(), name.end(), is_allowed);
}

PluginLibrary open_plugin(const std::filesystem::path& file, PluginKind kind, const std::string& name) {
    namespace dll = boost::dll;
    // RTLD_NODELETE keeps the library after `library` is gone: its functions may be called until the process ends.
    constexpr auto kMode =
        static_cast<dll::load_mode::type>(dll::load_mode::rtld_now | dll::load_mode::rtld_local | RTLD_NODELETE);
    std::error_code failed;
    const dll::shared_library library(file, failed, kMode);
    if (failed) return {file, nullptr, load_failure(file)};
    if (!library.has(kSymbol)) return {file, nullptr, fmt::format("no symbol '{}': not an unshard plugin", kSymbol)};
    const auto& info = library.get<const unshard_plugin_info>(kSymbol);
    std::string refusal = refusal_of(info, kind, name);
    return {file, refusal.empty() ? &info : nullptr, std::move(refusal)};
}

}  // namespace unshard
