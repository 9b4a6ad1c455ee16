// Files of torch.save by their names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace unshard::torch_file {

/// Whether a file is called as files of torch.save are: *.pt, *.pth, *.bin, *.ckpt.
bool has_usual_ending(std::string_view name);

/// Whether a name is that of a file of another format, which has a reader of its own or none: rank files of FSDP,
/// DeepSpeed, Megatron-LM, an adapter.
bool is_of_other_format(const std::string& name);

/// The files in a directory that may be a whole model by their names and first bytes. Trainers keep other files beside
/// theirs (optimizer.pt, training_args.bin), which are none.
std::vector<std::string> candidates_in(const std::string& directory);

/// Throws Error when a file's name says that it is one rank's, and those of other ranks lie beside it.
void check_no_other_ranks(const std::string& path);

}  // namespace unshard::torch_file
