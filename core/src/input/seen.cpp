// Formats are told by the names of files alone, as the programs that write them choose them:
//     DeepSpeed       mp_rank_00_model_states.pt, zero_pp_rank_0_mp_rank_00_optim_states.pt (runtime/engine.py)
//     Megatron-LM     mp_rank_00/model_optim_rng.pt, latest_checkpointed_iteration.txt (training/checkpointing.py)
//     PEFT            adapter_config.json, adapter_model.safetensors
//     rank files      any name with "rank" and a number: ep0-ba10-rank0.pt (Composer), x.rank_0.pth (fvcore, DINOv2)

#include "input/seen.hpp"

#include "unshard/tools/directory.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <array>

namespace unshard {
namespace {

struct Look {
    const char* pattern;  ///< of a file's or directory's name, whole
    const char* what;     ///< follows "'NAME' is of"
};

constexpr std::array kLooks = {
    Look{R"(.*_model_states\.pt|.*_optim_states\.pt|zero_to_fp32\.py)",
         "a DeepSpeed checkpoint, which is not read: its zero_to_fp32.py makes a file of the whole model, with "
         "--safe_serialization in safetensors"},
    Look{R"(mp_rank_\d+.*|model_optim_rng\.pt|latest_checkpointed_iteration\.txt|common\.pt)",
         "a Megatron-LM checkpoint, which is not read: export it with Megatron-Bridge or tools/checkpoint/convert.py"},
    Look{R"(adapter_config\.json|adapter_model\.(safetensors|bin))",
         "a LoRA adapter, which is not a model: merge it into its base model with PEFT's merge_and_unload"},
    Look{R"(.*[._-]?rank_?\d+.*\.(pt|pth|bin|ckpt))",
         "a checkpoint with one file for each rank, under names that are not known: if they hold FSDP's sharded state "
         "dicts, link them as model_world_size_W_rank_R.pt; flat parameters (LOCAL_STATE_DICT) must be saved again by "
         "the "
         "program that trained"},
    Look{R"(.*\.(pt|pth|bin|ckpt))",
         "a file of torch.save, which is not read on its own: if it holds one rank's state dict of a run of one, link "
         "it "
         "as model_world_size_1_rank_0.pt; else load it with PyTorch and save it with safetensors.torch.save_file"},
};

/// A file whose name the readers know belongs to the others beside it.
bool is_part_of_checkpoint(const std::string& name) {
    return re2::RE2::FullMatch(
        name, R"(model_world_size_\d+_rank_\d+\.pt|pytorch_model_fsdp.*\.bin|__\d+_\d+\.distcp|\.metadata)");
}

/// The first of the known looks that one of the names has.
std::string look_of(const std::vector<std::string>& names) {
    for (const Look& look : kLooks) {
        const re2::RE2 pattern(look.pattern);
        for (const std::string& name : names) {
            if (is_part_of_checkpoint(name)) continue;
            if (re2::RE2::FullMatch(name, pattern)) return fmt::format("'{}' is of {}", name, look.what);
        }
    }
    return "";
}

}  // namespace

std::string what_it_looks_like(const std::string& path) {
    if (has_directory(path)) return look_of(names_in(path).value_or(std::vector<std::string>()));
    const std::string name = std::filesystem::path(path).filename().string();
    if (is_part_of_checkpoint(name)) return fmt::format("'{}' is one file of a checkpoint: name its directory", name);
    return look_of({name});
}

}  // namespace unshard
