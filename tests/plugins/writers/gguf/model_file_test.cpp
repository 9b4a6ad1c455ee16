#include "model_file.hpp"

#include "support/catch.hpp"
#include "tiny_model.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::gguf;
using namespace unshard::test;

namespace {

std::optional<GgufModel> load(const std::string& gguf) {
    const Assets assets;
    assets.write("tiny.toml", std::string(kTinyRules) + gguf);
    const Document file = read_document(assets.path("tiny.toml"));
    return gguf_model_of(file, rules_of(file));
}

std::string with(const std::string& old_text, const std::string& new_text) {
    std::string gguf(kTinyGguf);
    return gguf.replace(gguf.find(old_text), old_text.size(), new_text);
}

/// What is wrong, without the place.
std::string refusal(const std::string& gguf) {
    try {
        load(gguf);
    } catch (const UsageError& e) {
        const std::string text = e.what(), file = "tiny.toml:";
        const std::size_t place = text.find(file) + file.size();
        return text.substr(text.find(": ", place) + 2);
    }
    return "accepted";
}

}  // namespace

TEST_CASE("a model's GGUF table is read whole") {
    const GgufModel model = load(std::string(kTinyGguf)).value();
    CHECK(model.arch == "tiny");
    CHECK(model.keys.size() == 1);
    CHECK(model.notes.front().text == "llama.cpp is even");
    CHECK(model.refusals.front().conditions.front().has == 13);
    CHECK(model.tensors.at("model.layers.{layer}.both").size() == 2);
    CHECK(model.tensors.at("model.layers.{layer}.q").front().part.permute->text() == "heads");
}

TEST_CASE("a file without the table describes no GGUF") {
    CHECK_FALSE(load("").has_value());
}

TEST_CASE("slips in the table are refused where they stand") {
    CHECK(refusal(with("notes", "note")) == "unknown key 'note' in [gguf]: did you mean 'notes'?");
    CHECK(refusal(with("\"model.embed\" ", "\"model.embd\" ")) == "no tensor is called 'model.embd'");
    CHECK(refusal(with("field = \"odd\", ", "")) == "nothing says when it applies");
    CHECK(refusal(with("is = true, ", "iz = true, ")) == "unknown key 'iz' in a condition");
    CHECK(refusal(with("\"u32\"", "\"u64\"")) == "'u64' is unknown: known are u32, f32, bool, string");
    CHECK(refusal(with("[\"json\"]", "[\"bpe\"]")) == "'bpe' is unknown: known are sentencepiece, json");
    CHECK(refusal(with("take = [1, 0, 1]", "take = [3, 0, 1]")) == "'view' has no axis 3");
    CHECK(refusal(with("take = [1, 0, 1]", "take = [1, 0]")) == "'take' is [axis, first, count]");
    CHECK(refusal(with("axes = [1, 2, 0]", "axes = [1, 0]")) == "'axes' and 'view' differ in length");
    CHECK(refusal(with("value = \"layers\"", "scale = 2")) == "nothing says its value");
    CHECK(refusal(with("kinds = [\"json\"]", "")) == "tokenizer.kinds is missing");
    CHECK(refusal(with("transpose = true", "transpose = 1")) ==
          "'transpose' in [gguf.tensors.model.layers.{layer}.conv] is an integer: it must be true or false");
    CHECK(refusal(with("permute = \"heads\"", "permute = \"heads *\"")) != "accepted");
    CHECK(refusal(with("permute = \"heads\"", "permute = \"head\"")) ==
          "'head' is neither under 'config' nor a placeholder");
    CHECK(refusal(with("when = \"hidden > 4\"", "when = \"hiden > 4\"")) ==
          "'hiden' is neither under 'config' nor a placeholder");
    CHECK(refusal(with("transpose = true", "shape = [3, \"hidden\"]")) == "'shape' needs 'view'");
    CHECK(refusal(with("view = [\"hidden\"", "transpose = true, view = [\"hidden\"")) ==
          "'view' says it all: 'permute' and 'transpose' are for targets without it");
}
