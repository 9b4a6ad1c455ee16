#include "candidates.hpp"

#include "formats/torch/legacy_file.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

namespace unshard::torch_file {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDigits = "0123456789";

bool starts_with_any(std::string_view name, std::span<const std::string_view> words) {
    return std::ranges::any_of(words, [&](std::string_view word) { return name.starts_with(word); });
}

/// What transformers' Trainer, accelerate and veRL call what they keep beside a model.
bool is_beside_model(std::string_view name) {
    constexpr std::string_view kWords[] = {"optimizer",     "optim",   "scheduler",     "lr_scheduler", "scaler",
                                           "training_args", "rng_",    "random_states", "sampler",      "dataloader",
                                           "dl_state",      "data.pt", "extra_state",   "trainer_state"};
    return starts_with_any(name, kWords);
}

bool begins_as_torch_file(const std::string& path) {
    const InputFile file(path);
    constexpr std::string_view kZip = "PK\3\4";
    if (file.bytes() >= kZip.size() && file.read(0, kZip.size()) == kZip) return true;
    return torch::begins_as_legacy(file);
}

/// What stands before and behind the rank's number in a name like "ep0-ba10-rank0.pt".
struct AroundRank {
    std::string before, behind;
    friend bool operator==(const AroundRank&, const AroundRank&) = default;
};

std::optional<AroundRank> around_rank(const std::string& name) {
    const std::size_t word = name.rfind("rank");
    if (word == std::string::npos) return std::nullopt;
    std::size_t begin = word + 4;
    if (begin < name.size() && name[begin] == '_') ++begin;
    const std::size_t end = std::min(name.find_first_not_of(kDigits, begin), name.size());
    if (end == begin) return std::nullopt;
    return AroundRank{name.substr(0, begin), name.substr(end)};
}

}  // namespace

bool has_usual_ending(std::string_view name) {
    constexpr std::array<std::string_view, 4> kEndings = {".pt", ".pth", ".bin", ".ckpt"};
    return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_of_other_format(const std::string& name) {
    constexpr std::string_view kWords[] = {"model_world_size_",  "pytorch_model_fsdp", "mp_rank_",     "zero_pp_rank_",
                                           "bf16_zero_pp_rank_", "model_optim_rng",    "adapter_model"};
    return starts_with_any(name, kWords) || name.ends_with("_model_states.pt") || name.ends_with("_optim_states.pt");
}

std::vector<std::string> candidates_in(const std::string& directory) {
    std::vector<std::string> found;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (name.starts_with('.') || !has_usual_ending(name) || is_of_other_format(name) || is_beside_model(name)) {
            continue;
        }
        const fs::path path = fs::path(directory) / name;
        if (kind_of(path) == PathKind::file && begins_as_torch_file(path.string())) found.push_back(path.string());
    }
    return found;
}

void check_no_other_ranks(const std::string& path) {
    const fs::path file(path);
    const std::optional<AroundRank> around = around_rank(file.filename().string());
    if (!around) return;
    const std::string directory = file.has_parent_path() ? file.parent_path().string() : ".";
    std::vector<std::string> others;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (name != file.filename().string() && around_rank(name) == around) others.push_back(name);
    }
    if (others.empty()) return;
    throw Error(
        fmt::format("is one rank's file, {} of other ranks lie beside it: if each holds the rank's FSDP state dict, "
                    "link them as model_world_size_W_rank_R.pt and name the directory; if this one alone holds the "
                    "whole model, copy it to where it is alone",
                    name_list(others, 3)));
}

}  // namespace unshard::torch_file
