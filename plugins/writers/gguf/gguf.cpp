// Writes GGUF, the file format of llama.cpp, as its own convert_hf_to_gguf.py and llama-quantize would from the same
// weights. docs/formats/gguf.md says what is taken from where.

#include "container.hpp"
#include "find_model.hpp"
#include "formats/gguf/split_name.hpp"
#include "general.hpp"
#include "limits.hpp"
#include "metadata.hpp"
#include "models/model_config.hpp"
#include "models/whole_tensor.hpp"
#include "options.hpp"
#include "own_data.hpp"
#include "pooling.hpp"
#include "quantize/quantize.hpp"
#include "remarks.hpp"
#include "rope_scaling.hpp"
#include "rope_tensors.hpp"
#include "tensor_map.hpp"
#include "type_choice.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/add_once.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <numeric>
#include <ranges>

namespace unshard {
namespace {

using namespace gguf;
namespace fs = std::filesystem;

/// GGML_QNT_VERSION.
constexpr std::uint32_t kQuantizationVersion = 2;

/// Keys and tensors of the output, before they have offsets.
struct Contents {
    KeyValues metadata;
    std::vector<TensorInfo> infos;
    std::vector<std::vector<TensorPart>> parts;  ///< of each tensor; none for a literal
    std::vector<std::string> literals;           ///< the bytes of each tensor that is generated
    bool mixes_types = false;                    ///< of a type that llama-quantize writes

    void add(TensorInfo tensor, std::vector<TensorPart> tensor_parts, std::string literal) {
        infos.push_back(std::move(tensor));
        parts.push_back(std::move(tensor_parts));
        literals.push_back(std::move(literal));
    }
};

/// In llama-quantize's order of tensors.
Contents sorted(Contents contents) {
    std::vector<std::size_t> order(contents.infos.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(
        order, [&](std::size_t a, std::size_t b) { return is_before(contents.infos[a].name, contents.infos[b].name); });
    Contents result;
    result.metadata = std::move(contents.metadata);
    for (const std::size_t i : order) {
        result.add(std::move(contents.infos[i]), std::move(contents.parts[i]), std::move(contents.literals[i]));
    }
    return result;
}

const nlohmann::json& config_of(const Request& request) {
    if (!request.assets.empty() && request.config.is_object()) return request.config;
    throw Error(
        "writer 'gguf' needs the model's config.json and tokenizer: pass the directory that has them, --assets DIR");
}

/// Four times the largest vocabulary in use. A damaged file can claim more: rows of stride 0 take no bytes in it.
constexpr std::uint64_t kMostTokens = 1 << 20;

/// As convert_hf_to_gguf.py --outtype auto: the type of the first 16-bit matrix.
const FileType& automatic_type(const Plan& plan) {
    std::vector<const PlannedTensor*> sorted;
    for (const PlannedTensor& t : plan.tensors) sorted.push_back(&t);
    std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    for (const PlannedTensor* t : sorted) {
        const bool is_16_bit = t->dtype == DType::f16 || t->dtype == DType::bf16;
        if (t->shape.rank() >= 2 && is_16_bit) return *find_file_type(to_string(t->dtype));
    }
    return *find_file_type("f16");
}

std::string bytes_of(const std::vector<float>& values) {
    std::string bytes;
    for (const float value : values) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(bits >> (8 * i) & 0xffU));
    }
    return bytes;
}

/// Throws Error for what only quantised checkpoints have, which cannot be converted value by value.
void check_dtypes(const Plan& plan, const std::vector<MappedTensor>& tensors) {
    for (const MappedTensor& t : tensors) {
        for (const TensorPart& part : t.parts) {
            const PlannedTensor& source = plan.tensors[part.tensor];
            if (info(source.dtype).is_float && size_of(source.dtype) > 1) continue;
            throw Error(
                fmt::format("{}: is {}: GGUF takes f64, f32, f16 and bf16", source.name, to_string(source.dtype)));
        }
    }
}

class Composer {
public:
    Composer(const Plan& plan, const Request& request, Layout& layout)
        : plan_(plan),
          request_(request),
          layout_(layout),
          options_(read_options(request)),
          config_(config_of(request)),
          model_(find_model(request)) {}

    /// Keys and tensors come in the order in which convert_hf_to_gguf.py, or after it llama-quantize, writes them.
    Contents compose() {
        const Values values = config_values(model_.rules, config_);
        sizes_ = {model_.gguf.arch, config_, values};
        contents_.metadata.set("general.architecture", model_.gguf.arch);
        const KeyValues keys = model_keys();
        add_tensors(keys);
        add_general();
        for (const auto& [key, value] : keys.entries()) contents_.metadata.set(key, value);
        add_tokenizer_keys();
        if (file_type().mixes_types) order_as_quantiser();
        choose_types(contents_.infos, file_type(), type_choice_model(), options_.types, layout_.warnings);
        contents_.mixes_types = file_type().mixes_types;
        check_name(contents_.metadata);
        check_limits(contents_.metadata, sizes_.arch);
        return std::move(contents_);
    }

    std::uint64_t max_shard_size() const { return options_.max_shard_size; }

private:
    const FileType& file_type() const { return options_.file_type ? *options_.file_type : automatic_type(plan_); }

    KeyValues model_keys() {
        KeyValues keys;
        if (model_.gguf.has_common_keys) {
            const auto common = common_keys();
            const auto theta = std::ranges::find(common, "rope.freq_base", &KeyRule::key);
            add_model_keys(keys, std::span(common.begin(), theta), sizes_);
            add_rope_scaling(keys, model_.gguf, sizes_, layout_.warnings);
            add_model_keys(keys, std::span(theta, common.end()), sizes_);
            keys.set("general.file_type", file_type().number);
        } else {
            add_rope_scaling(keys, model_.gguf, sizes_, layout_.warnings);
        }
        KeyValues own;
        add_model_keys(own, model_.gguf.keys, sizes_, keys);
        for (const std::string& key : model_.gguf.omit) {
            if (!own.find(sizes_.arch + "." + key)) keys.remove(sizes_.arch + "." + key);
        }
        for (const auto& [key, value] : own.entries()) keys.set(key, value);  // in its place, where it has one
        add_remarks(model_.gguf, sizes_, layout_.warnings);
        add_pooling(keys, sizes_.arch, request_.assets, layout_.warnings);
        keys.set("general.file_type", file_type().number);
        keys.set("general.quantization_version", kQuantizationVersion);
        return keys;
    }

    void add_tensors(const KeyValues& keys) {
        TensorMap map = map_tensors(plan_.tensors, model_, sizes_.values);
        check_dtypes(plan_, map.tensors);
        layout_.dropped = std::move(map.dropped);
        for (const GeneratedTensor& t : generate_tensors(model_.gguf.generated, sizes_, keys, contents_.metadata)) {
            contents_.add({t.name, Dims{t.values.size()}, Type::f32}, {}, bytes_of(t.values));
        }
        for (MappedTensor& t : map.tensors) contents_.add(std::move(t.info), std::move(t.parts), {});
        check_tensors(contents_.infos);
        check_known();
    }

    /// Throws Error when llama.cpp does not know one of the tensors, or needs another.
    void check_known() const {
        std::vector<WrittenTensor> written;
        for (std::size_t i = 0; i < contents_.infos.size(); ++i) {
            const std::vector<TensorPart>& parts = contents_.parts[i];
            const std::string& name = contents_.infos[i].name;
            written.push_back({name, parts.empty() ? "config.json" : plan_.tensors[parts.front().tensor].name});
        }
        check_arch_tensors(model_.known, sizes_.arch, count_of("layer", sizes_.values), written);
    }

    /// llama-quantize sets two keys anew, which puts them at the end.
    void order_as_quantiser() {
        contents_ = sorted(std::move(contents_));
        for (const char* key : {"general.quantization_version", "general.file_type"}) contents_.metadata.remove(key);
        contents_.metadata.set("general.quantization_version", kQuantizationVersion);
        contents_.metadata.set("general.file_type", file_type().number);
    }

    TypeChoiceModel type_choice_model() const {
        const auto count = [&](const char* key) { return contents_.metadata.count(sizes_.arch + "." + key); };
        const std::uint64_t heads = count("attention.head_count"), kv_heads = count("attention.head_count_kv");
        return {sizes_.arch, count("block_count"), heads, kv_heads == 0 ? heads : kv_heads, count("expert_count")};
    }

    void add_general() {
        KeyValues& metadata = contents_.metadata;
        metadata.set("general.type", std::string("model"));
        add_sampling(metadata, request_.assets);
        metadata.set("general.name", name());
        metadata.set("general.size_label", size_label(contents_.infos));
    }

    void add_tokenizer_keys() {
        TokenizerRequest tokenizer;
        tokenizer.directory = request_.assets;
        tokenizer.size = embedding_rows();
        tokenizer.name = name();
        tokenizer.pre = options_.pre;
        tokenizer.pre_tokenizers = own_data("pre-tokenizers.toml");
        add_tokenizer(contents_.metadata, model_.gguf.tokenizer, tokenizer, layout_.warnings);
    }

    std::string name() const { return options_.name.empty() ? model_name(config_, request_.assets) : options_.name; }

    std::uint64_t embedding_rows() const {
        for (const TensorInfo& t : contents_.infos) {
            if (t.name != "token_embd.weight") continue;
            if (t.shape[0] <= kMostTokens) return t.shape[0];
            throw Error(fmt::format("{}: the embedding has {} rows, a token for each: at most {} are sensible", t.name,
                                    t.shape[0], kMostTokens));
        }
        throw Error("the model has no embedding, 'token_embd.weight' in GGUF");
    }

    const Plan& plan_;
    const Request& request_;
    Layout& layout_;
    WriterOptions options_;
    nlohmann::json config_;
    FoundModel model_;
    ModelSizes sizes_;
    Contents contents_;
};

Encoding encoding_of(Type type) {
    const TypeInfo& stored = info(type);
    return {std::string(stored.name), stored.block_elems, stored.block_bytes};
}

/// Places one tensor and the padding behind it.
void place(Layout& layout, const Contents& contents, std::size_t tensor, std::uint32_t file, std::uint64_t offset) {
    const TensorInfo& stored = contents.infos[tensor];
    if (!contents.literals[tensor].empty()) layout.literals.push_back({file, offset, contents.literals[tensor]});
    for (const TensorPart& part : contents.parts[tensor]) {
        const std::uint64_t begin = checked_add(offset, stored_bytes(stored.type, part.first));
        const std::uint32_t encoding = add_once(layout.encodings, encoding_of(stored.type));
        layout.placed.push_back({part.tensor, part.view, part.box, part.axes, part.add, file, begin, encoding});
    }
    const std::uint64_t end = checked_add(offset, stored_bytes(stored));
    const std::uint64_t padding = round_up(end, kAlignment) - end;
    if (padding != 0) layout.literals.push_back({file, end, std::string(padding, '\0')});
}

/// What the header says of a tensor: llama-quantize leaves outer sizes of 1 out of its shape.
TensorInfo header_of(const Contents& contents, std::size_t tensor) {
    TensorInfo info = contents.infos[tensor];
    if (!contents.mixes_types || info.shape.empty()) return info;
    const auto* begin = std::find_if(info.shape.begin(), info.shape.end() - 1, [](auto size) { return size != 1; });
    Dims shape;
    std::for_each(begin, info.shape.end(), [&](std::uint64_t size) { shape.push_back(size); });
    info.shape = shape;
    return info;
}

/// `out.gguf` itself, or `out-00001-of-00003.gguf`.
std::string file_name(const std::string& output, std::size_t part, std::size_t parts) {
    if (parts == 1) return {};
    fs::path path = fs::path(output).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return (path.extension() == ".gguf" ? path.stem() : path.filename()).string() + split_suffix(part, parts);
}

KeyValues metadata_of_part(const Contents& contents, std::size_t part, std::size_t parts) {
    KeyValues metadata = part == 0 ? contents.metadata : KeyValues();
    if (parts == 1) return metadata;
    metadata.set("split.no", static_cast<std::uint16_t>(part));
    metadata.set("split.count", static_cast<std::uint16_t>(parts));
    metadata.set("split.tensors.count", static_cast<std::int32_t>(contents.infos.size()));
    return metadata;
}

class GgufWriter : public Writer {
public:
    Layout layout(const Plan& plan, const Request& request) override {
        Layout layout;
        Composer composer(plan, request, layout);
        const Contents contents = composer.compose();
        layout.tensors = contents.infos.size();
        const auto files = split_by_size(contents.infos, composer.max_shard_size());
        if (files.size() > UINT16_MAX) {
            throw UsageError(fmt::format("max_shard_size: it makes {} files, GGUF counts to 65535", files.size()));
        }
        for (std::size_t i = 0; i < files.size(); ++i) {
            std::vector<TensorInfo> infos;
            for (const std::size_t tensor : files[i]) infos.push_back(header_of(contents, tensor));
            FileParts parts = file_parts(metadata_of_part(contents, i, files.size()), infos);
            const auto file = static_cast<std::uint32_t>(layout.files.size());
            layout.files.push_back({file_name(request.output, i, files.size()), parts.bytes});
            layout.literals.push_back({file, 0, std::move(parts.header)});
            for (std::size_t t = 0; t < files[i].size(); ++t)
                place(layout, contents, files[i][t], file, parts.offsets[t]);
        }
        for (const Encoding& encoding : layout.encodings) types_.push_back(find_block_type(encoding.name));
        return layout;
    }

    void encode(std::uint32_t encoding, std::span<const float> values, std::uint64_t row_elems,
                std::span<std::byte> out) const override {
        if (encoding >= types_.size() || types_[encoding] == nullptr) {
            return Writer::encode(encoding, values, row_elems, out);
        }
        const BlockType& type = *types_[encoding];
        if (!all_finite(values)) {
            throw Error(fmt::format("a NaN or an infinity cannot be stored as '{}': use f32, f16 or bf16",
                                    info(type.type).name));
        }
        quantize(type, values, row_elems, out);
        if (!halves_are_finite(type, out)) {
            throw Error(fmt::format("values are too large for '{}': use f32 or bf16", info(type.type).name));
        }
    }

private:
    std::vector<const BlockType*> types_;  ///< of each encoding; null where it is a DType, which the engine writes
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::GgufWriter, "gguf", UNSHARD_VERSION, "a GGUF file for llama.cpp")
