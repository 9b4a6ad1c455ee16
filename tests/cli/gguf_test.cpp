// GGUF files that the program itself writes, looked at and compared.

#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <nlohmann/json.hpp>

using namespace unshard::test;

namespace {

std::string made(const TempDir& directory, const std::string& name, const std::string& dtype) {
    const std::string path = directory / name;
    CHECK(unshard_process({"convert", qwen3(), "-o", path, "--dtype", dtype}).exit_code == 0);
    return path;
}

}  // namespace

TEST_CASE("inspect shows the keys, types and tensors of a GGUF file") {
    const TempDir directory;
    const std::string path = made(directory, "m.gguf", "q8_0");
    const ProcessResult result = unshard_process({"inspect", path});
    CHECK(result.exit_code == 0);
    CHECK(result.out.starts_with(path + ": GGUF version 3 (reader gguf)\n  1 file, "));
    CHECK(result.out.find(" bits each; ") != std::string::npos);
    CHECK(result.out.find("  general.architecture ") != std::string::npos);
    CHECK(result.out.find("  array of string  ['") != std::string::npos);
    CHECK(result.out.find("  q8_0  (") != std::string::npos);
    const auto json = nlohmann::json::parse(unshard_process({"inspect", path, "--json"}).out);
    CHECK(json["metadata"]["keys"].size() > 10);
    CHECK(json["weight_bytes"] < json["files"][0]["bytes"]);
}

TEST_CASE("diff compares GGUF files, blocks as bytes") {
    const TempDir directory;
    const std::string f32 = made(directory, "f32.gguf", "f32"), bf16 = made(directory, "bf16.gguf", "bf16");
    const std::string q8 = made(directory, "a.gguf", "q8_0"), again = made(directory, "b.gguf", "q8_0");
    CHECK(unshard_process({"diff", q8, again}).exit_code == 0);
    const ProcessResult types = unshard_process({"diff", f32, bf16});
    CHECK(types.exit_code == 1);
    CHECK(types.out.find("f32 and bf16 ") != std::string::npos);
    CHECK(types.out.find("  the same values\n") != std::string::npos);
    CHECK(unshard_process({"diff", f32, q8}).out.find("not comparable") != std::string::npos);
    std::string bytes = read_file(again);
    const auto tensors = nlohmann::json::parse(unshard_process({"inspect", again, "--json"}).out)["tensors"];
    for (const auto& tensor : tensors) {
        if (tensor["dtype"] != "q8_0") continue;
        const auto at = tensor["shards"][0]["offset"].get<std::size_t>() + 5;
        bytes[at] = static_cast<char>(bytes[at] ^ 1);
        break;
    }
    write_file(again, bytes);
    const ProcessResult one_bit = unshard_process({"diff", q8, again});
    CHECK(one_bit.exit_code == 1);
    CHECK(one_bit.out.find("1 byte of blocks differ") != std::string::npos);
}

TEST_CASE("diff compares the keys of GGUF files, long arrays to their ends") {
    const TempDir directory;
    const std::string path = made(directory, "m.gguf", "f32"), other = directory / "other.gguf";
    std::string bytes = read_file(path);
    const auto keys = nlohmann::json::parse(unshard_process({"inspect", path, "--json"}).out)["metadata"]["keys"];
    for (const auto& key : keys) {
        if (key["key"] != "tokenizer.ggml.tokens") continue;
        const auto end = key["offset"].get<std::size_t>() + key["bytes"].get<std::size_t>();
        bytes[end - 1] = static_cast<char>(bytes[end - 1] ^ 1);
    }
    write_file(other, bytes);
    const ProcessResult result = unshard_process({"diff", path, other});
    CHECK(result.exit_code == 1);
    CHECK(result.out.find("\nkey 'tokenizer.ggml.tokens' is [") != std::string::npos);
    CHECK(result.out.find("; 1 difference of configuration and tokenizer; ") != std::string::npos);
}

TEST_CASE("a GGUF file of plain types is converted, a quantised one is refused by name") {
    const TempDir directory;
    const std::string bf16 = made(directory, "bf16.gguf", "bf16"), q8 = made(directory, "q8.gguf", "q8_0");
    CHECK(unshard_process({"convert", bf16, "-o", directory / "st"}).exit_code == 0);
    CHECK(unshard_process({"diff", bf16, directory / "st"}).exit_code == 0);
    const ProcessResult refused = unshard_process({"convert", q8, "-o", directory / "q"});
    CHECK(refused.exit_code == 1);
    CHECK(refused.err.find("weight: is stored as q8_0, and ") != std::string::npos);
    CHECK(refused.err.find(" more likewise; quantised tensors are not converted: ") != std::string::npos);
}
