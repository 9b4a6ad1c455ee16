// tokenizer.model is a protobuf, sentencepiece_model.proto's ModelProto: field 1, repeated, is a SentencePiece with 1
// piece, 2 score, 3 type. A piece's id is its position. Rules: TextModel._create_vocab_sentencepiece in
// conversion/base.py, and Phi3MiniModel.set_vocab in conversion/phi.py.

#include "tokenizer/vocabulary.hpp"
#include "unshard/error.hpp"

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

/// A piece of the proto's type USER_DEFINED is a normal token for the converter.
TokenType token_type(std::int32_t proto_type) {
    const auto type = static_cast<TokenType>(proto_type);
    const bool is_kept = type == TokenType::unknown || type == TokenType::control || type == TokenType::unused ||
                         type == TokenType::byte;
    return is_kept ? type : TokenType::normal;
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

std::vector<Piece> read_pieces(const std::string& path) {
    const std::string bytes = read_text(path);
    std::vector<Piece> pieces;
    try {
        protozero::pbf_reader model(bytes);
        while (model.next()) {
            if (model.tag_and_type() == protozero::tag_and_type(1, protozero::pbf_wire_type::length_delimited)) {
                pieces.push_back(read_piece(model.get_message()));
            } else {
                model.skip();
            }
        }
    } catch (const protozero::exception& e) {
        throw Error(path + ": not a SentencePiece model: " + e.what());
    }
    if (pieces.empty()) throw Error(path + ": not a SentencePiece model: there are no pieces in it");
    return pieces;
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

    Vocabulary finish() {
        if (left_out_ != 0) {
            warnings_.push_back(files_.directory + ": " + std::to_string(left_out_) + " tokens from '" +
                                first_left_out_ + "' on are left out: their ids are past the " +
                                std::to_string(result_.tokens.size()) + " rows of the model's embedding");
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

std::uint64_t number_of(const std::string& id, const std::string& where) {
    const bool is_number = !id.empty() && id.size() < 10 && std::all_of(id.begin(), id.end(), ::isdigit);
    if (!is_number) throw Error(where + ": '" + id + "' is no token's id");
    return std::stoull(id);
}

std::string content_of(const nlohmann::json& token, const std::string& where) {
    if (!member(token, "content").is_string()) throw Error(where + ": an added token has no 'content'");
    return member(token, "content").get<std::string>();
}

}  // namespace

Vocabulary sentencepiece_vocabulary(const TokenizerFiles& files, std::uint64_t size, AddedStyle style,
                                    std::vector<std::string>& warnings) {
    Builder builder(files, size, warnings);
    const std::vector<Piece> pieces = read_pieces(files.path("tokenizer.model"));
    for (std::size_t id = 0; id < pieces.size(); ++id)
        builder.set(id, pieces[id].text, pieces[id].score, pieces[id].type);
    for (const auto& [text, id] : files.added.items()) {
        if (!id.is_number_unsigned())
            throw Error(files.path("added_tokens.json") + ": the id of '" + text + "' is " + id.dump());
        builder.set(id.get<std::uint64_t>(), text, kAddedScore, TokenType::user_defined);
    }
    const std::string settings = files.path("tokenizer_config.json");
    for (const auto& [id, token] : member(files.settings, "added_tokens_decoder").items()) {
        builder.set_added(number_of(id, settings), content_of(token, settings), member(token, "special") == true,
                          style);
    }
    if (style == AddedStyle::phi3) {
        const std::string tokenizer = files.path("tokenizer.json");
        for (const auto& [index, token] : member(files.tokenizer, "added_tokens").items()) {
            const std::uint64_t id = number_of(member(token, "id").dump(), tokenizer);
            builder.set_added(id, content_of(token, tokenizer), member(token, "special") == true, style);
        }
    }
    return builder.finish();
}

}  // namespace unshard::gguf
