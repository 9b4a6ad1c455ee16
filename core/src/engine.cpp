// The whole program in one read: index, plan, select, lay out, verify, copy.
//
// Readers index, mergers plan, writers lay out; none of them touches a tensor byte. What they said is verified before
// any file exists, and files get their final names only when all of them are complete.

#include "engine.hpp"

#include "files/output_path.hpp"
#include "files/staging.hpp"
#include "geometry/lower.hpp"
#include "input/locate.hpp"
#include "input/models_directories.hpp"
#include "model/experts.hpp"
#include "model/model_check.hpp"
#include "model/module_prefix.hpp"
#include "model/quantised.hpp"
#include "model/vocabulary.hpp"
#include "models/plugin_facts.hpp"
#include "plan/choose_merger.hpp"
#include "plan/foreign_names.hpp"
#include "plan/names_of.hpp"
#include "plan/select.hpp"
#include "plan/shared_replicas.hpp"
#include "plan/translate.hpp"
#include "report/stored.hpp"
#include "text/quantity.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"
#include "unshard/tools/name_list.hpp"
#include "verify/verify.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace unshard {
namespace {

/// One [[output]] on its way through the passes.
struct Output {
    const Pipeline::Output* wanted = nullptr;
    std::unique_ptr<Writer> writer;
    std::shared_ptr<const Plan> plan;
    Layout layout;
    std::vector<Destination> destinations;
};

nlohmann::json config_file_in(const std::string& assets) {
    if (assets.empty() || !has_model_file(assets, "config.json")) return nullptr;
    return read_json(assets + "/config.json");
}

/// What mergers and writers are told of the model.
Request request_for(const Model& model, const std::string& architecture, const nlohmann::json& options,
                    unsigned threads) {
    Request request;
    request.assets = model.assets;
    request.config = model.config.settings;
    request.config_changes = model.config_changes;
    request.model = model_facts(model.files.find(architecture), model.files, model.config);
    request.options = without_models_directory(options);
    request.threads = threads;
    return request;
}

Plan merge(const Pipeline::Merge& wanted, const Model& model, const Plugins& plugins, unsigned threads) {
    Request request = request_for(model, architecture_of(model.config.settings), wanted.options, threads);
    if (!wanted.rules.empty()) {
        const std::vector<std::string>& directories = model.files.directories();
        const Document rules = read_document(rules_file(wanted.rules, directories));
        request.config = model_config(model.config.file, directories, Node(rules).texts("architectures")).settings;
        request.model = model_facts(rules, model.files, model.config);
        request.options["rules"] = wanted.rules;  // for a merger that has no use for rules to refuse
    }
    return plugins.merger(model.merger)->plan(model.index, request);
}

/// What a writer copies from the model's directory does not come from elsewhere by a link.
void check_assets(const Layout& layout, const std::string& directory) {
    for (const Asset& asset : layout.assets) {
        if (lies_in(std::filesystem::path(asset.source), std::filesystem::path(directory))) {
            check_stays_in(directory, asset.source);
        }
    }
}

Output lay_out(const Pipeline::Output& wanted, std::shared_ptr<const Plan> plan, const Model& model,
               const Plugins& plugins, unsigned threads) {
    Request request = request_for(model, language_model_class(model.config.settings), wanted.options, threads);
    request.output = wanted.path;
    request.options["dtype"] = wanted.dtype;
    if (!wanted.max_shard_size.empty()) request.options["max_shard_size"] = wanted.max_shard_size;
    Output output{&wanted, plugins.writer(wanted.writer), std::move(plan), {}, {}};
    output.layout = output.writer->layout(*output.plan, request);
    check_assets(output.layout, model.assets);
    output.destinations = lower(*output.plan, output.layout);
    return output;
}

/// A weight that became infinite makes every output of the model NaN.
void check_overflow(const CopyReport& report) {
    if (report.overflowed == 0) return;
    throw Error(
        fmt::format("{}: {} values are too large for the type that is written and would become infinite: use one "
                    "of a wider range (bf16 has that of f32), or keep the type",
                    name_list(report.overflowed_tensors), report.overflowed));
}

/// The mode of outputs: what group and others may do with every file of the checkpoint, so that a private one does not
/// become a public model.
mode_t access_of(const CheckpointIndex& index) {
    mode_t access = 0666;
    for (const SourceFile& file : index.files) {
        struct stat found{};
        if (::stat(file.path.c_str(), &found) == 0) access &= found.st_mode;
    }
    return access;
}

/// Notes what files are now where the reader did not say what they were when it read them.
void stamp_files(CheckpointIndex& index) {
    for (SourceFile& file : index.files) {
        if (file.packed || file.stamp != FileStamp()) continue;
        const InputFile now(file.path);
        if (now.bytes() == file.bytes) file.stamp = now.stamp();
    }
}

CopyReport copy_all(const CheckpointIndex& index, const std::vector<Output>& outputs, const Pipeline& pipeline,
                    const RunOptions& options, Observer& observer, std::vector<std::string>& warnings) {
    std::vector<Stage> stages;
    const mode_t access = access_of(index);
    std::vector<CopyTask> tasks;
    std::uint64_t total = 0;
    stages.reserve(outputs.size());
    for (const Output& o : outputs) {
        stages.emplace_back(o.wanted->path, o.layout, options.force, access);
        tasks.push_back({o.plan.get(), &o.layout, &o.destinations, &stages.back(), o.writer.get()});
        for (const OutputFile& f : o.layout.files) total += f.bytes;
    }
    const CopySettings settings{thread_count(pipeline.engine), pipeline.engine.tile_mib << 20,
                                pipeline.merge.verify_replicas};
    CopyReport report = copy(index, tasks, settings, [&](std::uint64_t done) { observer.progress(done, total); });
    check_overflow(report);
    for (const Stage& stage : stages) {
        for (const std::string& path : stage.removed()) {
            warnings.push_back(fmt::format("{}: was left by a conversion that was killed, and is removed", path));
        }
    }
    for (const std::string& path : commit(stages, options.sync)) {
        warnings.push_back(fmt::format("{}: is not needed any more, and cannot be removed: remove it", path));
    }
    return report;
}

void describe(RunReport& report, const CheckpointIndex& index, const Plan& plan) {
    report.format = index.format;
    report.ranks = index.ranks;
    const StoredFiles files = stored_files(index);
    report.source_files = files.count;
    report.source_bytes = files.bytes;
    report.tensors = plan.tensors.size();
    for (const PlannedTensor& t : plan.tensors) report.parameters += t.shape.numel();
    report.dropped = index.dropped;
    report.dropped.insert(report.dropped.end(), plan.dropped.begin(), plan.dropped.end());
}

OutputReport describe(const Output& output) {
    const Layout& layout = output.layout;
    const std::uint64_t tensors = layout.tensors == 0 ? layout.placed.size() : layout.tensors;
    OutputReport report{output.wanted->path, output.wanted->writer, layout.files, 0, tensors, {}, layout.dropped, {}};
    for (const OutputFile& f : layout.files) report.bytes += f.bytes;
    for (const Asset& a : layout.assets) report.assets.push_back(a.name);
    report.left_behind = layout.left_behind;
    return report;
}

/// The plan with names, and experts in the form, that an output asks for; the common plan when it keeps them.
std::shared_ptr<const Plan> plan_for(const Pipeline::Output& wanted, std::shared_ptr<const Plan> common,
                                     const Model& model, std::vector<std::string>& name_changes) {
    std::optional<ChosenDialect> dialect = output_dialect(
        wanted.names, {names_of(common->tensors), architecture_of(model.config.settings), model.files.directories()});
    if (dialect && wanted.experts != "auto") dialect->models.rules.clear();  // as `experts` says
    const bool keeps_experts = wanted.experts == "auto" || wanted.experts == "keep";
    if (keeps_experts && !dialect) return common;
    Plan plan = with_experts(*common, wanted.experts, model.config.settings, model.known);
    if (dialect) {
        plan = translate(std::move(plan), *dialect, model.config.settings, model.known.rules);
        name_changes.push_back(fmt::format("{}: {}", wanted.path, dialect->title));
    }
    verify_plan(model.index, plan);
    return std::make_shared<const Plan>(std::move(plan));
}

/// Where a format does not state the shapes of whole tensors, shards at the end may be missing: only config.json's
/// sizes show that, or the user says that all are there.
void check_shapes_known(const Model& model, const std::string& model_check) {
    if (!has_open_shapes(model.index)) return;
    if (!model_check.starts_with("not checked")) return;
    throw Error(fmt::format(
        "{}: its files do not state the shapes of whole tensors, so that nothing shows whether those of the last ranks "
        "are "
        "here ({}): name the model's config.json with --assets DIR, or, when those of rank {} are the last, pass --set "
        "input.options.trust_shapes=true",
        model.path, model_check, model.index.ranks - 1));
}

/// A tensor may repeat its elements (stride 0): a small checkpoint can make a large output.
std::vector<std::string> growth_warnings(const RunReport& report) {
    constexpr std::uint64_t kTimes = 8, kAtLeast = 64 << 20;
    std::vector<std::string> warnings;
    for (const OutputReport& output : report.outputs) {
        if (output.bytes / kTimes <= report.source_bytes || output.bytes < kAtLeast) continue;
        warnings.push_back(fmt::format("{}: takes {} bytes, the checkpoint has {}: tensors in it repeat their elements",
                                       output.path, output.bytes, report.source_bytes));
    }
    return warnings;
}

/// Hands warnings to whoever watches, and keeps them for the report.
void warn(RunReport& report, Observer& observer, const std::vector<std::string>& warnings) {
    for (const std::string& text : warnings) {
        observer.warning(text);
        report.warnings.push_back(text);
    }
}

/// Cuts rows past the vocabulary or makes config.json count them, as the pipeline says.
void fit_vocabulary(Model& model, std::string extra_rows) {
    if (extra_rows == "auto") extra_rows = model.pads_vocabulary ? "cut" : "refuse";
    const VocabularyContext context{model.config.settings, model.config.file, model.known};
    if (fit_vocabulary(model.plan, context, extra_rows, model.config_changes)) verify_plan(model.index, model.plan);
    if (model.config_changes.empty()) return;
    nlohmann::json changed = model.config.file;
    changed.merge_patch(model.config_changes);
    model.config.settings = model_config(changed, model.files.directories()).settings;
}

}  // namespace

unsigned thread_count(const Pipeline::Engine& engine) {
    return engine.threads != 0 ? engine.threads : std::max(1U, std::thread::hardware_concurrency());
}

Model read_model(const Pipeline& pipeline, const Plugins& plugins, Observer& observer) {
    const unsigned threads = thread_count(pipeline.engine);
    Model model;
    observer.pass("index");
    const LocatedInput input = locate_input(pipeline.input, plugins, threads);
    model.path = input.path;
    model.reader = input.reader_name;
    input.reader->progress = [&](std::uint64_t done, std::uint64_t total) { observer.indexed(done, total); };
    model.index = input.reader->index(input.request);
    model.index.dropped.insert(model.index.dropped.end(), input.passed_over.begin(), input.passed_over.end());
    for (const std::string& text : model.index.warnings) observer.warning(text);
    verify_index(model.index);
    stamp_files(model.index);
    model.assets = locate_assets(pipeline.input.assets, input.path, pipeline.input.path);
    model.files = ModelFiles(models_directories(pipeline));
    model.config = model_config(config_file_in(model.assets), model.files.directories());
    model.config_changes = model.config.corrections;
    model.known = {find_rules(model.files, model.config.settings), model.files.directories()};
    const bool is_conversion = !pipeline.outputs.empty();
    if (is_conversion) refuse_lora(model.index, model.config.settings);
    const std::vector<std::string> saved_names = names_of(model.index.tensors);
    Selection selection(pipeline.select);
    selection.before_merge(model.index);
    model.name_changes = selection.name_changes();
    const std::optional<ChosenDialect> dialect = choose_dialect(
        pipeline.select.names,
        {names_of(model.index.tensors), architecture_of(model.config.settings), model.files.directories()});
    if (pipeline.select.names == kAutoNames && !dialect) {
        const auto change = take_off_module_prefix(model.index, model.known, model.config.settings);
        if (change) model.name_changes.push_back(*change);
    }
    if (is_conversion && !dialect) refuse_interleaved_rows(saved_names, model.config.settings, pipeline.select);

    observer.pass("plan");
    model.merger = choose_merger(pipeline.merge, model.index);
    Plan merged = merge(pipeline.merge, model, plugins, threads);
    if (dialect) {
        verify_plan(model.index, merged);
        merged = translate(std::move(merged), *dialect, model.config.settings, model.known.rules);
        model.pads_vocabulary = dialect->models.pads_vocabulary;
        model.name_changes.push_back(fmt::format("the names and layouts of {} became the model's", dialect->title));
    }

    observer.pass("select");
    model.plan =
        selection.after_merge(std::move(merged), model.config.settings, model.config.file, model.config_changes);
    const std::vector<std::string>& warnings = model.config.warnings;
    model.plan.warnings.insert(model.plan.warnings.end(), warnings.begin(), warnings.end());
    verify_plan(model.index, model.plan);
    forget_shared_replicas(model.index, model.plan);
    return model;
}

RunReport run(const Pipeline& pipeline, const RunOptions& options, Observer& observer) {
    const auto start = std::chrono::steady_clock::now();
    const Plugins plugins(plugin_search_path({pipeline.engine.plugin_path.begin(), pipeline.engine.plugin_path.end()}));
    const unsigned threads = thread_count(pipeline.engine);
    RunReport report;
    for (const Pipeline::Output& o : pipeline.outputs) {
        check_is_path(o.path, "output");
        check_output_path(o.path, pipeline.input.path, options.force);
    }

    Model model = read_model(pipeline, plugins, observer);
    const CheckpointIndex& index = model.index;
    report.warnings = index.warnings;
    verify_plain(index);
    fit_vocabulary(model, pipeline.select.extra_rows);
    const QuantisedWeights quantised = find_quantised(model.plan);
    check_quantised(quantised, model.plan, model.config.settings, pipeline.outputs);
    report.model_check = check_model(
        model.plan, {model.config.settings, model.known, pipeline.select, quantised, cause_of_other_shapes(index)});
    check_shapes_known(model, report.model_check);
    warn(report, observer, model.plan.warnings);
    const auto common = std::make_shared<const Plan>(std::move(model.plan));

    observer.pass("lay out");
    std::vector<Output> outputs;
    for (const Pipeline::Output& o : pipeline.outputs) {
        outputs.push_back(lay_out(o, plan_for(o, common, model, model.name_changes), model, plugins, threads));
    }

    observer.pass("verify");
    for (const Output& o : outputs) {
        warn(report, observer, o.layout.warnings);
        verify_layout(*o.plan, o.layout, o.destinations);
        check_replaceable(final_path(o.wanted->path), o.layout, options.force);
        report.outputs.push_back(describe(o));
    }
    report.input = model.path;
    report.reader = model.reader;
    report.merger = model.merger;
    report.assets = model.assets;
    report.name_changes = model.name_changes;
    describe(report, index, *common);
    warn(report, observer, growth_warnings(report));

    if (!options.dry_run) {
        observer.pass("copy");
        std::vector<std::string> warnings;
        report.copied = copy_all(index, outputs, pipeline, options, observer, warnings);
        warn(report, observer, warnings);
    }
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
}

}  // namespace unshard
