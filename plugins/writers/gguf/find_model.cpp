#include "find_model.hpp"

#include "models/plugin_facts.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

namespace unshard::gguf {

FoundModel find_model(const Request& request) {
    const std::string architecture = language_model_class(request.config);
    if (architecture.empty())
        throw Error(
            "config.json: there are no 'architectures' in it, nor a known 'model_type': GGUF needs to know what kind "
            "of model it is: write the name of its class into it, such as \"architectures\": [\"LlamaForCausalLM\"]");
    if (const std::optional<Document> file = model_document(request)) {
        const ModelRules rules = rules_of(*file);
        if (std::optional<GgufModel> gguf = gguf_model_of(*file, rules)) {
            std::optional<ArchTensors> known = gguf->known ? gguf->known : arch_tensors(gguf->arch);
            if (!known) {
                throw UsageError(
                    fmt::format("{}: arch '{}' is none of llama.cpp's that writer 'gguf' knows: if yours has it, say "
                                "in [gguf.llama_cpp] which tensors it needs and takes",
                                file->file, gguf->arch));
            }
            return {rules, *std::move(gguf), *std::move(known)};
        }
    }
    const std::vector<std::string> known = known_architectures(request, "gguf");
    throw Error(
        fmt::format("config.json: architecture '{}' is not known to writer 'gguf': known are {}: a file that describes "
                    "it can be put into a directory and that be named, --set output.options.model_dir=DIR",
                    architecture, some_of(known, known.size())));
}

}  // namespace unshard::gguf
