// Follows gguf-py/gguf/vocab.py, class SpecialVocab, also where that looks odd: published GGUF files are made with it.
// In short: named tokens of tokenizer_config.json with the ids that tokenizer.json's added tokens have, then
// config.json's *_token_id; whether they are added to a text from tokenizer.json's post-processor, then from
// tokenizer_config.json.

#include "tokenizer/special_tokens.hpp"
#include "tokenizer/vocabulary.hpp"

#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard::gguf {
namespace {

using nlohmann::json;

constexpr std::array kKinds = {"bos", "eos", "unk", "sep", "pad", "cls", "mask"};

constexpr std::array<std::pair<std::string_view, const char*>, 8> kIdKeys = {{
    {"bos", "tokenizer.ggml.bos_token_id"},
    {"eos", "tokenizer.ggml.eos_token_id"},
    {"unk", "tokenizer.ggml.unknown_token_id"},
    {"sep", "tokenizer.ggml.seperator_token_id"},  // misspelt in the format
    {"pad", "tokenizer.ggml.padding_token_id"},
    {"mask", "tokenizer.ggml.mask_token_id"},
    {"eot", "tokenizer.ggml.eot_token_id"},
    {"eom", "tokenizer.ggml.eom_token_id"},
}};

constexpr std::array<std::pair<std::string_view, const char*>, 3> kAddKeys = {{
    {"bos", "tokenizer.ggml.add_bos_token"},
    {"eos", "tokenizer.ggml.add_eos_token"},
    {"sep", "tokenizer.ggml.add_sep_token"},
}};

/// As Python's bool(value).
bool is_truthy(const json& value) {
    return !value.is_null() && value != false && value != "" && !(value.is_structured() && value.empty());
}

/// The special token that an item of a template is; null when it is none.
json special_item(const json& item) {
    return member(member(item, "SpecialToken"), "id");
}

class Finder {
public:
    Finder(const TokenizerFiles& files, std::optional<std::uint64_t> size)
        : files_(files), size_(size), settings_(files.settings), kinds_(kKinds.begin(), kKinds.end()) {}

    SpecialTokens find() {
        if (!files_.tokenizer.is_null()) read_post_processor();
        if (is_truthy(settings_)) read_settings();
        read_config();
        return std::move(result_);
    }

private:
    bool has_settings() const { return is_truthy(settings_); }

    /// Notes that the token of this kind is `token`, in memory and where read_settings looks.
    void declare(const std::string& kind, const json& token) {
        named_[kind] = token;
        if (has_settings()) settings_[kind + "_token"] = token;
    }

    bool is_named(const json& token, std::initializer_list<const char*> kinds) {
        return std::any_of(kinds.begin(), kinds.end(), [&](const char* kind) { return named_[kind] == token; });
    }

    void read_post_processor() {
        for (const char* kind : {"bos", "cls", "eos", "sep"}) {
            named_[kind] = member(settings_, std::string(kind) + "_token");
        }
        if (!is_truthy(named_["bos"]) && is_truthy(named_["cls"])) declare("bos", named_["cls"]);
        if (!is_truthy(named_["eos"]) && is_truthy(named_["sep"])) declare("eos", named_["sep"]);
        for (const json* p : steps_in_order(member(files_.tokenizer, "post_processor"), "processors"))
            read_processor(*p);
    }

    void read_processor(const json& processor) {
        const json& type = member(processor, "type");
        if (type == "ByteLevel") {
            result_.add.emplace("bos", false);
            result_.add.emplace("eos", false);
        } else if (type == "RobertaProcessing") {
            for (const char* kind : {"bos", "eos", "sep"}) result_.add[kind] = true;
            read_pair_token(processor, "cls", "bos");
            read_pair_token(processor, "sep", "eos");
        } else if (type == "TemplateProcessing") {
            const json first = read_first(member(processor, "single"));
            const json last = read_last(member(processor, "single"));
            read_pair(member(processor, "pair"), first, last);
        }
    }

    /// RobertaProcessing has its tokens as [text, id].
    void read_pair_token(const json& processor, const char* kind, const char* otherwise) {
        if (is_truthy(named_[kind]) || !has_settings()) return;
        const json& token = member(processor, kind);
        declare(kind, token.is_array() && !token.empty() ? token[0] : named_[otherwise]);
    }

    json read_first(const json& single) {
        if (!single.is_array() || single.size() < 2) return nullptr;
        json first = special_item(single.front());
        if (!is_truthy(first)) return nullptr;
        if (!has_settings()) {
            named_["bos"] = first;
        } else if (!is_named(first, {"bos", "cls"})) {
            if (!is_truthy(named_["bos"])) declare("bos", first);
            if (!is_truthy(named_["cls"])) declare("cls", first);
        }
        result_.add["bos"] = is_named(first, {"bos", "cls"});
        return first;
    }

    /// A last token other than the end of sequence becomes that, and the old one the end of turn.
    json read_last(const json& single) {
        if (!single.is_array() || single.size() < 2) return nullptr;
        json last = special_item(single.back());
        if (!is_truthy(last)) return nullptr;
        if (has_settings() && !is_named(last, {"eos"})) {
            const bool has_eot = contains(kinds_, "eot");
            kinds_.emplace_back(has_eot ? "eom" : "eot");
            settings_[kinds_.back() + "_token"] = named_["eos"];
        }
        declare("eos", last);
        result_.add["eos"] = true;
        return last;
    }

    /// Whether a separator stands between the two sequences of a pair: A [sep] [eos] B.
    void read_pair(const json& pair, const json& first, const json& last) {
        if (!pair.is_array() || pair.empty()) return;
        std::vector<json> items(pair.begin(), pair.end());
        if (is_truthy(last) && special_item(items.back()) == last) items.pop_back();
        if (!items.empty() && is_truthy(first) && special_item(items.front()) == first) items.erase(items.begin());
        if (items.size() < 3) return;
        const auto sequence = [](const json& item) { return member(member(item, "Sequence"), "id"); };
        if (sequence(items.front()) != "A" || sequence(items.back()) != "B") return;
        const json middle = special_item(items[1]);
        bool add = is_named(middle, {"sep", "eos"}) && is_truthy(middle) && !is_truthy(last);
        if (items.size() == 4) {
            const json second = special_item(items[2]);
            add = add || (is_truthy(second) && is_named(second, {"sep", "eos"}));
        }
        result_.add["sep"] = add;
        if (add && !is_truthy(named_["sep"]) && has_settings()) settings_["sep_token"] = named_["eos"];
    }

    void read_settings() {
        for (const std::string& kind : kinds_) {
            const json& add = member(settings_, fmt::format("add_{}_token", kind));
            if (add.is_boolean()) result_.add.emplace(kind, add.get<bool>());
            const json& token = member(settings_, kind + "_token");
            const json& text = token.is_object() ? member(token, "content") : token;
            if (text.is_string()) set(kind, added_id(text));
        }
    }

    /// The id that an added token of tokenizer.json has once it is loaded, which need not be the file's.
    json added_id(const json& text) {
        const json& added = member(files_.tokenizer, "added_tokens");
        const auto named = std::find_if(added.begin(), added.end(),
                                        [&](const json& token) { return member(token, "content") == text; });
        if (named == added.end()) return nullptr;
        if (!member(member(files_.tokenizer, "model"), "vocab").is_object()) return member(*named, "id");
        if (!loaded_) loaded_ = load_tokens(files_);
        for (const auto& [id, token] : loaded_->added) {
            if (text == json(token.text)) return id;
        }
        return nullptr;
    }

    void read_config() {
        for (const std::string& kind : kinds_) {
            const std::string key = kind + "_token_id";
            const json& id = member(files_.config, key);
            set(kind, id.is_null() ? member(member(files_.config, "text_config"), key) : id);
        }
    }

    /// A negative id is how some configurations say that there is none.
    void set(const std::string& kind, const json& id) {
        if (!id.is_number_integer() || (!id.is_number_unsigned() && id.get<std::int64_t>() < 0)) return;
        if (!std::in_range<std::uint32_t>(id.get<std::uint64_t>())) {
            throw Error(fmt::format("{}: the '{}' token has the id {}", files_.directory, kind, id.dump()));
        }
        if (!size_ || id.get<std::uint64_t>() < *size_) result_.ids.emplace(kind, id.get<std::uint32_t>());
    }

    const TokenizerFiles& files_;
    std::optional<std::uint64_t> size_;
    json settings_;
    std::vector<std::string> kinds_;
    std::optional<LoadedTokens> loaded_;
    std::map<std::string, json> named_;  ///< kind -> token, as the post-processor's rules see it
    SpecialTokens result_;
};

}  // namespace

SpecialTokens find_special_tokens(const TokenizerFiles& files, std::optional<std::uint64_t> size,
                                  const std::map<std::string, std::uint32_t>& otherwise) {
    SpecialTokens tokens = Finder(files, size).find();
    for (const char* kind : {"eos", "eot", "unk", "bos"}) {  // the converter's order
        if (const auto id = otherwise.find(kind); id != otherwise.end()) tokens.ids.insert(*id);
    }
    for (const auto& id : otherwise) tokens.ids.insert(id);
    return tokens;
}

void add_special_tokens(KeyValues& metadata, const SpecialTokens& tokens) {
    const auto key_of = [](const auto& keys, const std::string& kind) {
        const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.first == kind; });
        return found == keys.end() ? nullptr : found->second;
    };
    for (const auto& [kind, id] : tokens.ids) {
        if (const char* key = key_of(kIdKeys, kind)) metadata.set(key, id);
    }
    for (const auto& [kind, add] : tokens.add) {
        if (const char* key = key_of(kAddKeys, kind)) metadata.set(key, add);
    }
}

void add_normalizer(KeyValues& metadata, const json& tokenizer) {
    std::optional<bool> lowercase, strip_accents;
    for (const json* step : steps_in_order(member(tokenizer, "normalizer"), "normalizers")) {
        const json& type = member(*step, "type");
        if (type == "Lowercase") lowercase = true;
        if (type == "StripAccents") strip_accents = true;
        if (type != "BertNormalizer") continue;
        const json &small = member(*step, "lowercase"), &plain = member(*step, "strip_accents");
        if (small.is_boolean()) lowercase = small.get<bool>();
        if (plain.is_boolean()) strip_accents = plain.get<bool>();
    }
    if (lowercase) metadata.set("tokenizer.ggml.normalizer.lowercase", *lowercase);
    if (strip_accents) metadata.set("tokenizer.ggml.normalizer.strip_accents", *strip_accents);
}

}  // namespace unshard::gguf
