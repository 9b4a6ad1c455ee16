// How outputs get their names: all or none, whatever was there before, and whatever was left by runs that were killed.

#include "files/staging.hpp"
#include "stage_support.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

using namespace unshard;
using namespace unshard::test;
namespace fs = std::filesystem;

namespace {

using Names = std::vector<std::string>;

Layout model_layout() {
    Layout layout;
    layout.files = {{"config.json", 3}, {"model.safetensors", 0}};
    return layout;
}

std::vector<Stage> two_stages(const TempDir& dir, const std::string& text) {
    std::vector<Stage> stages;
    stages.emplace_back(dir / "hf", model_layout(), true);
    stages.emplace_back(dir / "m.gguf", file_layout(), true);
    for (Stage& stage : stages) write_text(stage, text);
    return stages;
}

/// The directory beside an output in which it is made.
fs::path workspace_of(const TempDir& dir, const std::string& output) {
    for (const auto& entry : fs::directory_iterator(dir.path())) {
        if (entry.path().filename().string().starts_with("." + output + ".unshard-")) return entry.path();
    }
    return {};
}

/// Leaves what a process leaves that is killed with a stage open.
void kill_while_writing(const std::string& output, const Layout& layout) {
    const ::pid_t child = ::fork();
    if (child == 0) {
        const Stage stage(output, layout, true);
        ::raise(SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
}

mode_t mode_of(const std::string& path) {
    struct stat found{};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    return found.st_mode & 0777U;
}

}  // namespace

TEST_CASE("several outputs replace old ones together") {
    const TempDir dir;
    std::vector<Stage> first = two_stages(dir, "old");
    CHECK(commit(first).empty());
    std::vector<Stage> second = two_stages(dir, "new");
    CHECK(read_file(dir / "hf/config.json") == "old");
    CHECK(commit(second).empty());
    CHECK(read_file(dir / "hf/config.json") == "new");
    CHECK(read_file(dir / "m.gguf") == "new");
    CHECK(dir.entries() == Names{"hf", "hf/config.json", "hf/model.safetensors", "m.gguf"});
}

TEST_CASE("when one output cannot have its name the others give theirs back") {
    for (const bool has_old : {true, false}) {
        const TempDir dir;
        if (has_old) {
            std::vector<Stage> old = two_stages(dir, "old");
            commit(old);
        }
        const Names before = dir.entries();
        {
            std::vector<Stage> stages = two_stages(dir, "new");
            fs::remove(workspace_of(dir, "m.gguf") / "new");
            CHECK(error_of([&] { commit(stages); }) ==
                  dir / "m.gguf" + ": cannot give the output its name: No such file or directory");
            CHECK(fs::exists(dir / "hf") == has_old);
        }
        CHECK(dir.entries() == before);
        if (has_old) CHECK(read_file(dir / "hf/config.json") == "old");
    }
}

TEST_CASE("what a killed run has left is removed by the next one to that output, and named") {
    const TempDir dir;
    kill_while_writing(dir / "hf", model_layout());
    kill_while_writing(dir / "other", model_layout());
    const std::string left = workspace_of(dir, "hf").string();
    CHECK(fs::exists(left + "/new/config.json"));
    Stage stage(dir / "hf", model_layout(), false);
    CHECK(stage.removed() == Names{left});
    CHECK_FALSE(fs::exists(left));
    CHECK_FALSE(workspace_of(dir, "other").empty());
    write_text(stage, "new");
    commit({&stage, 1});
    CHECK(read_file(dir / "hf/config.json") == "new");
}

TEST_CASE("what a running one is writing is left alone") {
    const TempDir dir;
    const ::pid_t child = ::fork();
    if (child == 0) {
        const Stage stage(dir / "hf", model_layout(), false);
        write_file(dir / "ready", "");
        ::pause();
    }
    while (!fs::exists(dir / "ready")) ::usleep(1000);
    const fs::path working = workspace_of(dir, "hf");
    {
        const Stage stage(dir / "hf", model_layout(), false);
        CHECK(stage.removed().empty());
    }
    CHECK(fs::exists(working / "new/config.json"));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("an old output that had stepped aside comes back") {
    const TempDir dir;
    kill_while_writing(dir / "hf", model_layout());
    fs::create_directory(workspace_of(dir, "hf") / "old");
    write_file((workspace_of(dir, "hf") / "old/config.json").string(), "old");
    CHECK(error_of([&] { Stage(dir / "hf", model_layout(), false); }) ==
          dir / "hf" + ": exists: pass --force to replace it");
    CHECK(read_file(dir / "hf/config.json") == "old");
}

TEST_CASE("every name that the file system takes can be an output's") {
    for (const std::size_t bytes : {200U, 206U, 207U, 230U, 255U}) {
        const TempDir dir;
        std::string name;
        while (name.size() + 2 <= bytes) name += "\xc3\xa9";
        name.resize(bytes, 'x');
        kill_while_writing(dir / name, file_layout());
        Stage stage(dir / name, file_layout(), false);
        CHECK(stage.removed().size() == 1);
        commit({&stage, 1});
        CHECK(dir.entries() == Names{name});
    }
}

TEST_CASE("an output in or around another is refused, whatever links lead there") {
    const TempDir dir;
    fs::create_directory(dir / "real");
    fs::create_directory_symlink(dir / "real", dir / "link");
    const Stage first(dir / "link/hf", model_layout(), false);
    CHECK(error_of([&] { Stage(dir / "real/hf/m.gguf", file_layout(), false); }) ==
          dir / "real/hf/m.gguf" + ": lies in or around another output, '" + dir.path() +
              "/real/hf': give each a path of its own");
}

TEST_CASE("a directory with files that no conversion writes is not replaced, and they are named") {
    const TempDir dir;
    fs::create_directories(dir / "proj/src/thesis");
    write_file(dir / "proj/config.json", "{}");
    write_file(dir / "proj/model-00001-of-00002.safetensors", "old");
    write_file(dir / "proj/m-00002-of-00002.gguf", "old");
    {
        const Stage weights_only(dir / "proj", model_layout(), true);
    }
    write_file(dir / "proj/src/thesis/ch1.tex", "years of work");
    write_file(dir / "proj/model-1.safetensors", "mine");
    CHECK(error_of([&] { Stage(dir / "proj", model_layout(), true); }) ==
          dir / "proj" +
              ": has 2 files that this conversion does not write, 'model-1.safetensors', 'src/thesis/ch1.tex': it is "
              "not replaced: take them away, or name another output");
    CHECK(read_file(dir / "proj/src/thesis/ch1.tex") == "years of work");
}

TEST_CASE("a file of another kind is not replaced") {
    const TempDir dir;
    write_file(dir / "notes.txt", "years of work");
    CHECK(error_of([&] { Stage(dir / "notes.txt", file_layout(), true); }) ==
          dir / "notes.txt" +
              ": is a file that no conversion has written, it is not replaced: remove it yourself or name another "
              "output");
}

TEST_CASE("nobody may do more with an output than with the checkpoint, or with the asset") {
    const TempDir dir;
    write_file(dir / "private", "x");
    ::chmod((dir / "private").c_str(), 0600);
    Layout layout = model_layout();
    layout.assets = {{dir / "private", "vocab.txt"}};
    for (const mode_t access : {0666U, 0640U, 0400U}) {
        Stage stage(dir / "hf", layout, true, access);
        stage.add(layout.assets[0]);
        commit({&stage, 1});
        CHECK(mode_of(dir / "hf/config.json") == ((0644U & access) | 0600U));
        CHECK(mode_of(dir / "hf/vocab.txt") == 0600U);
    }
}
