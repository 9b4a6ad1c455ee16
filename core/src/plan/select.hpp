// Names: wrapper prefixes, renaming, dropping, tied weights.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace unshard {

struct SelectRule;

/// The pipeline's [select], in two steps around the merger. The merger knows tensors by name, so it should see the
/// names of the output, and no tensor that the output will not have.
class Selection {
public:
    /// Throws UsageError for a bad pattern.
    explicit Selection(const Pipeline::Select& select);
    Selection(Selection&&) noexcept;
    ~Selection();

    /// Strips, renames and drops. Throws Error when two tensors get one name (both are named as in the checkpoint) or
    /// none is left, UsageError when a rename leaves nothing of a name.
    void before_merge(CheckpointIndex& index);

    /// Drops what the merger made, such as parts of fused tensors, and tied weights; names what was dropped before.
    /// `config` are the model's settings (ModelConfig::settings),
    /// `config_file` is config.json itself; both are null when there is none. A tied `lm_head.weight` is dropped and
    /// its pieces become replicas of the embedding, so that the copy pass proves them equal. A rule that never matched
    /// is a warning. Output weights that are tied and kept all the same become a change of config.json. Throws Error
    /// when none is left.
    Plan after_merge(Plan plan, const nlohmann::json& config, const nlohmann::json& config_file,
                     nlohmann::json& config_changes);

    /// What was changed in names without the user asking for it, in words.
    const std::vector<std::string>& name_changes() const { return name_changes_; }

private:
    template <class Tensor>
    void drop_matching(std::vector<Tensor>& tensors, std::vector<std::string>& origins);

    std::vector<std::string> strip_;
    std::vector<SelectRule> renames_, drops_, keeps_;
    std::vector<Dropped> dropped_;
    std::vector<std::string> name_changes_;
};

}  // namespace unshard
