// f32, f16, bf16 and q8_0 follow conversion/base.py (ModelBase.prepare_tensors). All other file types follow
// src/llama-quant.cpp (tensor_allows_quantization, llama_tensor_get_type_impl, tensor_type_fallback) without an
// importance matrix, as of llama-cpp-python 0.3.36. Tensors that llama-quantize does not quantise are f32 already, as
// the converter leaves them.

#include "type_choice.hpp"
#include "unshard/tools/contains.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>
#include <string_view>
#include <tuple>

namespace unshard::gguf {
namespace {

bool has_part(std::string_view name, std::string_view part) {
    return name.find(part) != std::string_view::npos;
}

/// The layer in "blk.7.ffn_up.weight"; -1 when the name has none.
std::int64_t layer_of(std::string_view name) {
    static constexpr std::string_view kPrefix = "blk.";
    if (!name.starts_with(kPrefix)) return -1;
    std::int64_t layer = -1;
    const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
    return error == std::errc() && end != name.data() + name.size() && *end == '.' ? layer : -1;
}

bool is_always_f32(const TensorInfo& tensor) {
    static constexpr std::array<std::string_view, 4> kSuffixes = {"_norm.weight", "ffn_gate_inp.weight",
                                                                  "ffn_gate_inp_shexp.weight", "position_embd.weight"};
    const std::string_view name = tensor.name;
    return tensor.shape.rank() <= 1 || !name.ends_with(".weight") ||
           std::any_of(kSuffixes.begin(), kSuffixes.end(), [&](auto suffix) { return name.ends_with(suffix); });
}

/// llama.cpp does not count outer dimensions of one element.
bool is_vector(const Dims& shape) {
    return std::all_of(shape.begin(), shape.end() - 1, [](std::uint64_t size) { return size == 1; });
}

class TypeChoice {
public:
    TypeChoice(const FileType& file_type, const TypeChoiceModel& model, std::span<const TensorInfo> tensors)
        : file_type_(file_type), model_(model) {
        for (const TensorInfo& t : tensors) {
            attn_v_count_ += is_attn_v(t.name);
            has_output_ = has_output_ || t.name == "output.weight";
        }
    }

    Type type_of(const TensorInfo& tensor) {
        const std::string_view name = tensor.name;
        if (name == "output.weight" || (name == "token_embd.weight" && !has_output_)) return output_type(tensor);
        if (name == "token_embd.weight") return file_type_.type;
        if (is_attn_v(name)) return attn_v_type();
        if (has_part(name, "attn_k.weight")) return model_.experts == 8 ? Type::q8_0 : file_type_.type;
        if (has_part(name, "attn_output.weight")) return attn_output_type();
        if (has_part(name, "ffn_down")) return ffn_down_type(name);
        return file_type_.type;
    }

private:
    static bool is_attn_v(std::string_view name) {
        return has_part(name, "attn_v.weight") || has_part(name, "attn_qkv.weight") ||
               has_part(name, "attn_kv_b.weight");
    }

    bool is_any_of(std::initializer_list<std::string_view> names) const { return contains(names, file_type_.name); }

    static bool deserves_more_bits(std::uint64_t i, std::uint64_t count) {
        return i < count / 8 || i >= 7 * count / 8 || (i - count / 8) % 3 == 2;
    }

    Type output_type(const TensorInfo& tensor) const {
        const bool fits = tensor.shape.back() % info(file_type_.type).block_elems == 0;
        return file_type_.type == Type::q8_0 || !fits ? Type::q8_0 : Type::q6_k;
    }

    bool is_70b() const {
        if (model_.layers != 80) return false;
        return model_.arch == "qwen2" || (model_.arch == "llama" && model_.heads != model_.kv_heads);
    }

    Type attn_v_type() {
        const std::uint64_t i = attn_v_++;
        if (model_.experts == 8) return Type::q8_0;
        const Type type = attn_v_type(i);
        return is_70b() && (type == Type::q3_k || type == Type::q4_k) ? Type::q5_k : type;
    }

    Type attn_v_type(std::uint64_t i) const {
        if (is_any_of({"q4_k_m", "q5_k_m"}) && deserves_more_bits(i, attn_v_count_)) return Type::q6_k;
        if (is_any_of({"q4_k_s"}) && i < 4) return Type::q5_k;
        if (is_any_of({"q3_k_m"})) return i < 2 ? Type::q5_k : Type::q4_k;
        if (is_any_of({"q3_k_l"})) return Type::q5_k;
        if (is_any_of({"q2_k"})) {
            return model_.kv_heads != 0 && model_.heads / model_.kv_heads >= 4 ? Type::q4_k : Type::q3_k;
        }
        return file_type_.type;
    }

    Type ffn_down_type(std::string_view name) {
        const std::uint64_t counted = ffn_down_++;
        const std::uint64_t i = model_.experts > 1 ? static_cast<std::uint64_t>(layer_of(name)) : counted;
        const std::uint64_t count = model_.layers;
        if (is_any_of({"q4_k_m", "q5_k_m"}) && deserves_more_bits(i, count)) return Type::q6_k;
        if (is_any_of({"q4_k_s"}) && i < count / 8) return Type::q5_k;
        if (is_any_of({"q3_k_m"})) return i < count / 16 ? Type::q5_k : Type::q4_k;
        if (is_any_of({"q3_k_l"})) return Type::q5_k;
        if (is_any_of({"q2_k"})) return Type::q3_k;
        return file_type_.type;
    }

    Type attn_output_type() const {
        if (model_.experts == 8) {
            return is_any_of({"q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m"}) ? Type::q5_k : file_type_.type;
        }
        if (is_any_of({"q2_k"})) return Type::q3_k;
        if (is_any_of({"q3_k_m"})) return Type::q4_k;
        if (is_any_of({"q3_k_l"})) return Type::q5_k;
        return file_type_.type;
    }

    const FileType& file_type_;
    const TypeChoiceModel& model_;
    std::uint64_t attn_v_count_ = 0;
    bool has_output_ = false;
    std::uint64_t attn_v_ = 0;    ///< how many were seen
    std::uint64_t ffn_down_ = 0;  ///< likewise
};

/// The type itself when rows are whole blocks of it, else a type that fits.
Type fitting(Type type, std::uint64_t row_elems) {
    const auto fits = [&](Type t) { return row_elems % info(t).block_elems == 0; };
    if (fits(type)) return type;
    Type smaller = type;
    if (type == Type::q4_k) smaller = Type::q5_0;
    if (type == Type::q5_k) smaller = Type::q5_1;
    if (type == Type::q6_k) smaller = Type::q8_0;
    if (type == Type::q2_k || type == Type::q3_k) smaller = Type::q4_0;
    return fits(smaller) ? smaller : Type::f16;
}

/// Tensors that are stored in another type than wanted, one warning for all of one cause.
class Fallbacks {
public:
    void add(const std::string& tensor, std::uint64_t row_elems, Type wanted, Type stored) {
        const auto is_same = [&](const Cause& c) {
            return c.row_elems == row_elems && c.wanted == wanted && c.stored == stored;
        };
        const auto known = std::ranges::find_if(causes_, is_same);
        if (known == causes_.end()) {
            causes_.push_back({tensor, 0, row_elems, wanted, stored});
        } else {
            ++known->others;
        }
    }

    void tell(std::vector<std::string>& warnings) const {
        for (const Cause& c : causes_) {
            const std::string others = c.others == 0 ? "" : fmt::format(" and {} more", c.others);
            warnings.push_back(fmt::format("{}{}: rows of {} elements are not whole blocks of '{}': stored as '{}'",
                                           c.first, others, c.row_elems, info(c.wanted).name, info(c.stored).name));
        }
    }

private:
    struct Cause {
        std::string first;  ///< name of a tensor
        std::size_t others = 0;
        std::uint64_t row_elems = 0;
        Type wanted, stored;
    };
    std::vector<Cause> causes_;
};

}  // namespace

void choose_types(std::span<TensorInfo> tensors, const FileType& file_type, const TypeChoiceModel& model,
                  std::span<const TypeOverride<Type>> overrides, std::vector<std::string>& warnings) {
    TypeChoice choice(file_type, model, tensors);
    Fallbacks fallbacks;
    for (TensorInfo& tensor : tensors) {
        tensor.type = Type::f32;
        if (is_always_f32(tensor) || (file_type.mixes_types && is_vector(tensor.shape))) continue;
        if (const TypeOverride<Type>* wanted = find_override(overrides, tensor.name)) {
            tensor.type = wanted->type;
        } else {
            tensor.type = file_type.mixes_types ? choice.type_of(tensor) : file_type.type;
        }
        const std::uint64_t row_elems = tensor.shape.back();
        const Type fits = fitting(tensor.type, row_elems);
        if (fits == tensor.type) continue;
        fallbacks.add(tensor.name, row_elems, tensor.type, fits);
        tensor.type = fits;
    }
    fallbacks.tell(warnings);
    warn_of_idle(overrides, tensors | std::views::transform(&TensorInfo::name), "GGUF file", warnings);
}

bool is_before(const std::string& a, const std::string& b) {
    return std::tuple(layer_of(a), std::string_view(a)) < std::tuple(layer_of(b), std::string_view(b));
}

}  // namespace unshard::gguf
