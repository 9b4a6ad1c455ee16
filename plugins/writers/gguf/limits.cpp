// load_hparams of llama.cpp's src/llama-model.cpp, and the constants of src/llama-hparams.h.

#include "limits.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

namespace unshard::gguf {
namespace {

constexpr std::uint32_t kMostLayers = 512, kMostExperts = 1024;

class Limits {
public:
    Limits(const KeyValues& metadata, const std::string& arch) : metadata_(metadata), arch_(arch) {}

    void check() const {
        const std::uint32_t layers = count("block_count"), experts = count("expert_count");
        expect(layers >= 1 && layers <= kMostLayers, "block_count", "1 to " + std::to_string(kMostLayers));
        expect(experts <= kMostExperts, "expert_count", "at most " + std::to_string(kMostExperts));
        if (experts == 0) return;
        const std::uint32_t used = count("expert_used_count");
        expect(used >= 1 && used <= experts, "expert_used_count", fmt::format("1 to {}, all experts", experts));
        check_groups(experts);
    }

private:
    void check_groups(std::uint32_t experts) const {
        const std::uint32_t groups = count("expert_group_count"), chosen = count("expert_group_used_count");
        if (groups <= 1) return;
        expect(groups < experts && experts % groups == 0, "expert_group_count",
               fmt::format("less than {}, the experts, and divide them", experts));
        expect(chosen >= 1 && chosen < groups, "expert_group_used_count",
               fmt::format("1 or more, and less than {}, all groups", groups));
    }

    std::uint32_t count(const char* key) const { return metadata_.count(arch_ + "." + key); }

    void expect(bool holds, const char* key, const std::string& wanted) const {
        if (holds) return;
        throw Error(
            fmt::format("config.json: it makes the key '{}.{}' {}: llama.cpp would not load the file, it must be {}",
                        arch_, key, count(key), wanted));
    }

    const KeyValues& metadata_;
    const std::string& arch_;
};

}  // namespace

void check_limits(const KeyValues& metadata, const std::string& arch) {
    Limits(metadata, arch).check();
}

}  // namespace unshard::gguf
