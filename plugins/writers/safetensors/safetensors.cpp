// Writes a Hugging Face model directory: model.safetensors, or numbered parts with an index, and what stands beside
// them. Names of the parts and of the index's keys: transformers' save_pretrained.

#include "assets.hpp"
#include "header.hpp"
#include "options.hpp"
#include "stored_dtype.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/add_once.hpp"
#include "unshard/tools/model_directory.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace unshard {
namespace {

using safetensors::Entry;

constexpr std::size_t kFewNames = 3;

std::vector<Entry> entries_of(const Plan& plan, const std::vector<DType>& dtypes) {
    std::vector<Entry> entries;
    for (std::uint32_t i = 0; i < plan.tensors.size(); ++i) {
        const PlannedTensor& t = plan.tensors[i];
        entries.push_back({t.name, dtypes[i], t.shape, i, checked_mul(t.shape.numel(), size_of(dtypes[i]))});
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return entries;
}

/// Parts in name order; a new one begins where the next tensor would exceed the limit.
std::vector<std::vector<Entry>> parts_of(const std::vector<Entry>& entries, std::uint64_t limit) {
    std::vector<std::vector<Entry>> parts(1);
    std::uint64_t bytes = 0;
    for (const Entry& e : entries) {
        if (!parts.back().empty() && checked_add(bytes, e.bytes) > limit) {
            parts.emplace_back();
            bytes = 0;
        }
        bytes = checked_add(bytes, e.bytes);
        parts.back().push_back(e);
    }
    return parts;
}

std::string part_name(std::size_t part, std::size_t parts) {
    if (parts == 1) return "model.safetensors";
    return fmt::format("model-{:05}-of-{:05}.safetensors", part + 1, parts);
}

void add_text_file(Layout& layout, const std::string& name, std::string text) {
    const auto file = static_cast<std::uint32_t>(layout.files.size());
    layout.files.push_back({name, text.size()});
    layout.literals.push_back({file, 0, std::move(text)});
}

void add_part(Layout& layout, const std::string& name, std::vector<Entry> entries) {
    safetensors::sort_as_stored(entries);
    const auto file = static_cast<std::uint32_t>(layout.files.size());
    std::string header = safetensors::header_of(entries);
    std::uint64_t offset = header.size();
    for (const Entry& e : entries) {
        Placed placed;
        placed.tensor = e.tensor;
        placed.view = e.shape;
        placed.box = Box::whole(e.shape);
        placed.file = file;
        placed.offset = offset;
        placed.encoding = add_once(layout.encodings, encoding_of(e.dtype));
        layout.placed.push_back(placed);
        offset = checked_add(offset, e.bytes);
    }
    layout.files.push_back({name, offset});
    layout.literals.push_back({file, 0, std::move(header)});
}

std::string index_json(const std::vector<std::vector<Entry>>& parts) {
    std::uint64_t total = 0;
    nlohmann::json map = nlohmann::json::object();
    for (std::size_t i = 0; i < parts.size(); ++i) {
        for (const Entry& e : parts[i]) {
            total = checked_add(total, e.bytes);
            map[e.name] = part_name(i, parts.size());
        }
    }
    return nlohmann::json{{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}}.dump(2) + "\n";
}

/// The type of most floating-point elements; none when no tensor has any.
std::optional<DType> usual_dtype(const std::vector<Entry>& entries) {
    std::map<DType, std::uint64_t> elements;
    for (const Entry& e : entries) {
        if (info(e.dtype).is_float) elements[e.dtype] = checked_add(elements[e.dtype], e.shape.numel());
    }
    if (elements.empty()) return std::nullopt;
    return std::ranges::max_element(elements, {}, [](const auto& pair) { return pair.second; })->first;
}

/// Says which tensors are of another type than config.json now states.
void tell_others(const std::vector<Entry>& entries, DType usual, std::vector<std::string>& notes) {
    std::vector<std::string> others;
    for (const Entry& e : entries) {
        if (info(e.dtype).is_float && e.dtype != usual) others.push_back(e.name);
    }
    if (others.empty()) return;
    notes.push_back(
        fmt::format("{} of {} tensors are not {}, of which most weights are, and which config.json states: {}",
                    others.size(), entries.size(), to_string(usual), name_list(others, kFewNames)));
}

/// Whether config.json states another dtype.
bool changes_dtype(const nlohmann::json& config, DType dtype) {
    for (const char* key : {"dtype", "torch_dtype"}) {
        if (config.is_object() && config.contains(key) && config[key].is_string() && config[key] != info(dtype).torch) {
            return true;
        }
    }
    return false;
}

class SafetensorsWriter : public Writer {
public:
    Layout layout(const Plan& plan, const Request& request) override {
        const safetensors::WriterOptions options = safetensors::read_options(request);
        Layout layout;
        const auto dtypes = safetensors::stored_dtypes(plan, options, request, layout.warnings);
        const std::vector<Entry> entries = entries_of(plan, dtypes);
        const auto parts = parts_of(entries, options.max_shard_size);
        for (std::size_t i = 0; i < parts.size(); ++i) add_part(layout, part_name(i, parts.size()), parts[i]);
        if (parts.size() > 1) add_text_file(layout, "model.safetensors.index.json", index_json(parts));
        add_assets(layout, request, dtype_of_config(options, entries, request, layout.warnings));
        return layout;
    }

private:
    static std::optional<DType> dtype_of_config(const safetensors::WriterOptions& options,
                                                const std::vector<Entry>& entries, const Request& request,
                                                std::vector<std::string>& notes) {
        if (options.dtype && options.types.empty()) return options.dtype;
        const std::optional<DType> usual = usual_dtype(entries);
        if (usual && (!options.types.empty() || changes_dtype(request.config, *usual))) {
            tell_others(entries, *usual, notes);
        }
        return usual;
    }

    static void add_assets(Layout& layout, const Request& request, std::optional<DType> dtype) {
        const std::string& directory = request.assets;
        safetensors::Assets found = safetensors::find_assets(directory, layout.warnings);
        layout.assets = std::move(found.copied);
        layout.left_behind = std::move(found.left);
        if (!directory.empty() && has_model_file(directory, "config.json")) {
            const std::filesystem::path config = std::filesystem::path(directory) / "config.json";
            add_text_file(layout, "config.json",
                          safetensors::config_for(config.string(), dtype, request.config_changes));
        } else {
            layout.warnings.push_back(
                "there is no config.json: only the weights are written; --assets DIR names a directory with one");
        }
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::SafetensorsWriter, "safetensors", UNSHARD_VERSION, "a Hugging Face model directory")
