// Formats are recognised by the names of files alone, as the programs that write them choose them:

#include "input/unread_formats.hpp"

#include "unshard/tools/directory.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <array>

namespace unshard {
namespace {

struct UnreadFormat {
    const char* pattern;  ///< of a file's or directory's name, whole
    const char* what;     ///< follows "'NAME' is of"
};

constexpr std::array kFormats = {
    UnreadFormat{R"(.*_model_states\.pt|.*_optim_states\.pt|zero_to_fp32\.py)",
                 "a DeepSpeed checkpoint, which is not read: its zero_to_fp32.py makes a file of the whole model, with "
                 "--safe_serialization in safetensors"},
    UnreadFormat{
        R"(mp_rank_\d+.*|model_optim_rng\.pt|latest_checkpointed_iteration\.txt|common\.pt)",
        "a Megatron-LM checkpoint, which is not read: export it with Megatron-Bridge or tools/checkpoint/convert.py"},
    UnreadFormat{R"(adapter_config\.json|adapter_model\.(safetensors|bin))",
                 "a LoRA adapter, which is not a model: merge it into its base model with PEFT's merge_and_unload"},
    UnreadFormat{
        R"(.*[._-]?rank_?\d+.*\.(pt|pth|bin|ckpt))",
        "a checkpoint with one file for each rank, under names that are not known: if they hold FSDP's sharded state "
        "dicts, link them as model_world_size_W_rank_R.pt; flat parameters (LOCAL_STATE_DICT) must be saved again by "
        "the program that trained"},
    UnreadFormat{R"(.*\.(pt|pth|bin|ckpt))", "the kind that torch.save writes: name the file that the model is in"},
};

/// Whether a file, by its name, belongs to a checkpoint that the readers know.
bool is_part_of_checkpoint(const std::string& name) {
    return re2::RE2::FullMatch(
        name, R"(model_world_size_\d+_rank_\d+\.pt|pytorch_model_fsdp.*\.bin|__\d+_\d+\.distcp|\.metadata)");
}

/// The first of these formats that one of the names fits.
std::string format_text(const std::vector<std::string>& names) {
    for (const UnreadFormat& format : kFormats) {
        const re2::RE2 pattern(format.pattern);
        for (const std::string& name : names) {
            if (is_part_of_checkpoint(name)) continue;
            if (re2::RE2::FullMatch(name, pattern)) return fmt::format("'{}' is of {}", name, format.what);
        }
    }
    return "";
}

}  // namespace

std::string what_it_looks_like(const std::string& path) {
    if (has_directory(path)) return format_text(names_in(path).value_or(std::vector<std::string>()));
    const std::string name = std::filesystem::path(path).filename().string();
    if (is_part_of_checkpoint(name)) return fmt::format("'{}' is one file of a checkpoint: name its directory", name);
    return format_text({name});
}

}  // namespace unshard
