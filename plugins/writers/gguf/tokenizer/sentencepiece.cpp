// tokenizer.model is a protobuf, sentencepiece_model.proto's ModelProto: field 1, repeated, is a SentencePiece with 1
// piece, 2 score, 3 type; a piece's id is its position. Field 2 is a TrainerSpec with 3 model_type; field 3 a
// NormalizerSpec with 1 name, 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces. Rules:
// TextModel._create_vocab_sentencepiece in conversion/base.py, and Phi3MiniModel.set_vocab in conversion/phi.py. Unlike
// there, a user-defined piece stays one: it is found in the text before the others are put together.

#include "tokenizer/vocabulary.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>

#include <algorithm>

namespace unshard::gguf {
namespace {

constexpr float kPaddingScore = -10000.0F;
constexpr float kAddedScore = -1000.0F;

struct Piece {
    std::string text;
    float score = 0;
    TokenType type = TokenType::normal;
};

struct Model {
    std::vector<Piece> pieces;
    std::int32_t model_type = 1;
    std::string normalizer;
    bool has_charsmap = false;
    bool has_space_prefix = true;
    bool removes_spaces = true;
};

constexpr std::int32_t kBpe = 2;

TokenType token_type(std::int32_t proto_type) {
    if (proto_type < 1 || proto_type > 6) {
        throw Error(fmt::format("a piece is of type {}, types are 1 to 6", proto_type));
    }
    return static_cast<TokenType>(proto_type);
}

Piece read_piece(protozero::pbf_reader message) {
    Piece piece;
    while (message.next()) {
        switch (message.tag_and_type()) {
            case protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited):
                piece.text = message.get_string();
                break;
            case protozero::tag_and_type(2, protozero::pbf_wire_type::fixed32):
                piece.score = message.get_float();
                break;
            case protozero::tag_and_type(3, protozero::pbf_wire_type::varint):
                piece.type = token_type(message.get_enum());
                break;
            default:
                message.skip();
        }
    }
    return piece;
}

void read_trainer(Model& model, protozero::pbf_reader message) {
    while (message.next(3, protozero::pbf_wire_type::varint)) model.model_type = message.get_enum();
}

void read_normalizer(Model& model, protozero::pbf_reader message) {
    while (message.next()) {
        switch (message.tag_and_type()) {
            case protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited):
                model.normalizer = message.get_string();
                break;
            case protozero::tag_and_type(2, protozero::pbf_wire_type::length_delimited):
                model.has_charsmap = message.get_view().size() != 0;
                break;
            case protozero::tag_and_type(3, protozero::pbf_wire_type::varint):
                model.has_space_prefix = message.get_bool();
                break;
            case protozero::tag_and_type(4, protozero::pbf_wire_type::varint):
                model.removes_spaces = message.get_bool();
                break;
            default:
                message.skip();
        }
    }
}

Model read_model(const std::string& path) {
    const std::string bytes = read_text(path);
    Model model;
    try {
        protozero::pbf_reader message(bytes);
        while (message.next()) {
            const bool is_message = message.wire_type() == protozero::pbf_wire_type::length_delimited;
            if (is_message && message.tag() == 1) {
                model.pieces.push_back(read_piece(message.get_message()));
            } else if (is_message && message.tag() == 2) {
                read_trainer(model, message.get_message());
            } else if (is_message && message.tag() == 3) {
                read_normalizer(model, message.get_message());
            } else {
                message.skip();
            }
        }
    } catch (const protozero::exception& e) {
        throw Error(fmt::format("{}: not a SentencePiece model: {}", path, e.what()));
    } catch (const Error& e) {
        throw Error(fmt::format("{}: {}", path, e.what()));
    }
    if (model.pieces.empty()) throw Error(path + ": not a SentencePiece model: there are no pieces in it");
    return model;
}

/// What the tokenizer does to a text and llama.cpp does not.
void warn_of_settings(const Model& model, const std::string& path, std::vector<std::string>& warnings) {
    if (model.model_type != kBpe) {
        warnings.push_back(
            fmt::format("{}: its model_type is {}, llama.cpp joins pieces as BPE (2) does: most texts get other ids",
                        path, model.model_type));
    }
    if (model.has_charsmap) {
        warnings.push_back(
            fmt::format("{}: it normalises texts ('{}'), llama.cpp does not: texts that this changes get other ids",
                        path, model.normalizer));
    }
    if (model.removes_spaces) {
        warnings.push_back(
            fmt::format("{}: it removes spaces that follow each other ('remove_extra_whitespaces'), llama.cpp does "
                        "not: texts with such spaces get other ids",
                        path));
    }
    const auto is_user_defined = [](const Piece& p) { return p.type == TokenType::user_defined; };
    const auto user = std::find_if(model.pieces.begin(), model.pieces.end(), is_user_defined);
    if (user != model.pieces.end() && model.has_space_prefix) {
        warnings.push_back(
            fmt::format("{}: llama.cpp puts a space behind user-defined pieces such as '{}', SentencePiece does not: "
                        "texts with them get other ids",
                        path, user->text));
    }
}

class Builder {
public:
    Builder(const TokenizerFiles& files, std::uint64_t size, std::vector<std::string>& warnings)
        : files_(files), warnings_(warnings) {
        result_.model = "llama";
        for (std::uint64_t id = 0; id < size; ++id) result_.tokens.push_back(padding_token(id));
        result_.types.assign(size, static_cast<std::int32_t>(TokenType::unused));
        result_.scores.assign(size, kPaddingScore);
    }

    void set(std::uint64_t id, std::string text, float score, TokenType type) {
        if (id >= result_.tokens.size()) {
            if (left_out_++ == 0) first_left_out_ = text;
            return;
        }
        result_.tokens[id] = std::move(text);
        result_.scores[id] = score;
        result_.types[id] = static_cast<std::int32_t>(type);
    }

    void set_added(std::uint64_t id, std::string text, bool is_special, AddedStyle style) {
        const bool is_control = is_special || (style == AddedStyle::common && looks_special(text));
        if (!is_control && style == AddedStyle::common) text = with_spaces(std::move(text));
        set(id, std::move(text), kAddedScore, is_control ? TokenType::control : TokenType::user_defined);
    }

    Vocabulary finish(bool has_space_prefix) {
        result_.has_space_prefix = has_space_prefix;
        if (left_out_ != 0) {
            warnings_.push_back(fmt::format(
                "{}: {} tokens from '{}' on are left out: their ids are past the {} rows of the model's embedding",
                files_.directory, left_out_, first_left_out_, result_.tokens.size()));
        }
        return std::move(result_);
    }

private:
    const TokenizerFiles& files_;
    std::vector<std::string>& warnings_;
    Vocabulary result_;
    std::uint64_t left_out_ = 0;
    std::string first_left_out_;
};

std::string content_of(const nlohmann::json& token, const std::string& where) {
    if (!member(token, "content").is_string()) throw Error(where + ": an added token has no 'content'");
    return member(token, "content").get<std::string>();
}

}  // namespace

Vocabulary sentencepiece_vocabulary(const TokenizerFiles& files, std::uint64_t size, AddedStyle style,
                                    std::vector<std::string>& warnings) {
    Builder builder(files, size, warnings);
    const Model model = read_model(files.path("tokenizer.model"));
    warn_of_settings(model, files.path("tokenizer.model"), warnings);
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
        const Piece& piece = model.pieces[id];
        const bool is_user_defined = piece.type == TokenType::user_defined;
        builder.set(id, is_user_defined ? with_spaces(piece.text) : piece.text, piece.score, piece.type);
    }
    for (const auto& [text, id] : files.added.items()) {
        builder.set(token_id(id, files.path("added_tokens.json")), text, kAddedScore, TokenType::user_defined);
    }
    const std::string settings = files.path("tokenizer_config.json");
    for (const auto& [id, token] : member(files.settings, "added_tokens_decoder").items()) {
        builder.set_added(token_id(id, settings), content_of(token, settings), member(token, "special") == true, style);
    }
    if (style == AddedStyle::phi3) {
        const std::string tokenizer = files.path("tokenizer.json");
        for (const auto& [index, token] : member(files.tokenizer, "added_tokens").items()) {
            const std::uint64_t id = token_id(member(token, "id"), tokenizer);
            builder.set_added(id, content_of(token, tokenizer), member(token, "special") == true, style);
        }
    }
    return builder.finish(model.has_space_prefix);
}

}  // namespace unshard::gguf
