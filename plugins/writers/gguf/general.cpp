// gguf-py: utility.py (size_label), metadata.py (id_to_title, load). The keys that gguf-py guesses from parts of the
// name (basename, version, finetune) are not written; a model card is not read.

#include "general.hpp"

#include "tokenizer/added_tokens.hpp"
#include "unshard/tools/ascii.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <type_traits>
#include <utility>

namespace unshard::gguf {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// "7.5B", "70B", "124M": two significant digits, or all digits before the point.
std::string rounded_count(double count) {
    struct Unit {
        double above, factor;
        char letter;
    };
    static constexpr Unit kUnits[] = {{1e12, 1e-12, 'T'}, {1e9, 1e-9, 'B'}, {1e6, 1e-6, 'M'}, {-1, 1e-3, 'K'}};
    const Unit& unit =
        *std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& u) { return count > u.above; });
    const double scaled = count * unit.factor;
    const double whole = std::nearbyint(scaled);
    const int digits = whole == 0 ? 0 : static_cast<int>(std::floor(std::log10(whole))) + 1;
    return fmt::format("{:.{}f}{}", scaled, std::max(2 - digits, 0), unit.letter);
}

/// "v1.5", or a word that begins with a digit: its letters stay as they are.
bool is_version(const std::string& word) {
    if (is_ascii_digit(word[0])) return true;
    return word[0] == 'v' && is_ascii_digit(word[1]) && word.find_first_not_of("0123456789.", 1) == std::string::npos;
}

/// Python's str.title(), for words without capitals.
std::string titled(std::string word) {
    const auto is_upper = [](char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; };
    if (std::any_of(word.begin(), word.end(), is_upper) || is_version(word)) return word;
    bool is_start = true;
    for (char& c : word) {
        if (is_start) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        is_start = !is_ascii_letter(c);
    }
    return word;
}

/// "qwen3_moe" is "qwen 3 moe": a name like phi3 makes llama.cpp look for Phi 3's own tokens.
std::string spaced(const std::string& model_type) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    std::string result;
    for (const char c : model_type) {
        const std::size_t size = result.size();
        if (is_ascii_digit(c) && size > 1 && is_letter(result[size - 1]) && is_letter(result[size - 2])) result += ' ';
        result += c == '_' ? ' ' : c;
    }
    return result;
}

template <class Number>
void add_number(KeyValues& metadata, const char* key, const json& value, const std::string& path) {
    if (!value.is_number()) return;
    const bool is_small = value.is_number_unsigned() ? std::in_range<std::int32_t>(value.get<std::uint64_t>())
                                                     : std::in_range<std::int32_t>(value.get<std::int64_t>());
    const bool fits = std::is_floating_point_v<Number> || (value.is_number_integer() && is_small);
    if (!fits) {
        throw Error(
            fmt::format("{}: '{}' is {}: it must be a whole number of at most 32 bits", path, key, value.dump()));
    }
    metadata.set(std::string("general.sampling.") + key, value.get<Number>());
}

}  // namespace

std::string size_label(std::span<const TensorInfo> tensors) {
    double total = 0, shared = 0, one_expert = 0;
    std::uint64_t experts = 0, expert_tensors = 0;
    for (const TensorInfo& t : tensors) {
        const auto count = static_cast<double>(t.shape.numel());
        total += count;
        if (t.name.find("_exps.") == std::string::npos || t.shape.rank() < 3) {
            shared += count;
            continue;
        }
        const std::uint64_t of_tensor = t.shape[t.shape.rank() - (t.name.ends_with(".bias") ? 2 : 3)];
        one_expert += std::floor(count / static_cast<double>(of_tensor));
        experts += of_tensor;
        ++expert_tensors;
    }
    if (expert_tensors == 0) return rounded_count(total);
    return fmt::format("{}x{}", experts / expert_tensors, rounded_count(shared + one_expert));
}

std::string title_of(const std::string& name) {
    std::string spaced = name;
    std::replace(spaced.begin(), spaced.end(), '-', ' ');
    std::istringstream words(spaced);
    std::string title, word;
    while (words >> word) title += (title.empty() ? "" : " ") + titled(word);
    return title;
}

std::string model_name(const json& config, const std::string& directory) {
    const auto text = [&](const char* field) {
        const auto found = config.find(field);
        return found != config.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const std::string given = text("_name_or_path");
    std::string title = title_of(given.substr(given.find('/') + 1));
    if (std::count(given.begin(), given.end(), '/') <= 1 && !title.empty()) return title;
    std::string name = fs::absolute(fs::path(directory)).lexically_normal().filename().string();
    if (name.empty()) name = fs::absolute(fs::path(directory)).lexically_normal().parent_path().filename().string();
    if (name == "huggingface" && !text("model_type").empty()) name = spaced(text("model_type"));
    return title_of(name);
}

void check_name(const KeyValues& metadata) {
    const Value* found = metadata.find("general.name");
    const Value* tokens = metadata.find("tokenizer.ggml.tokens");
    if (!found || !tokens) return;
    const auto& name = std::get<std::string>(*found);
    const std::string_view phi3 = phi3_in(name);
    if (phi3.empty()) return;
    const auto& texts = std::get<std::vector<std::string>>(*tokens);
    for (const char* token : {"</s>", "<unk>", "<s>", "<|endoftext|>"}) {
        if (contains(texts, token)) continue;
        throw Error(
            fmt::format("the model's name, '{}', has '{}' in it: llama.cpp then looks for the token '{}', which it has "
                        "not, and would not load the file: give it another name, --set output.options.name=NAME",
                        name, phi3, token));
    }
}

void add_sampling(KeyValues& metadata, const std::string& directory) {
    const std::string path = directory + "/generation_config.json";
    if (!has_model_file(directory, "generation_config.json")) return;
    const json settings = read_json(path);
    if (!settings.is_object()) throw Error(path + ": is not a JSON object");
    const auto value = [&](const char* field) { return settings.contains(field) ? settings[field] : json(); };
    add_number<std::int32_t>(metadata, "top_k", value("top_k"), path);
    add_number<float>(metadata, "top_p", value("top_p"), path);
    add_number<float>(metadata, "min_p", value("min_p"), path);
    add_number<float>(metadata, "temp", value("temperature"), path);
    add_number<float>(metadata, "penalty_repeat", value("repetition_penalty"), path);
}

}  // namespace unshard::gguf
