#include "files/staging.hpp"
#include "files/output_path.hpp"

#include "stage_support.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

using namespace unshard;
using namespace unshard::test;

namespace {

Layout directory_layout() {
    Layout layout;
    layout.files = {{"config.json", 3}, {"sub/empty", 0}};
    return layout;
}

void make(const std::string& output, const Layout& layout, bool force = false, const std::string& text = "new") {
    Stage stage(output, layout, force);
    write_text(stage, text);
    commit({&stage, 1});
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a directory gets its name only when it is committed") {
    const TempDir dir;
    {
        Stage stage(dir / "out", directory_layout(), false);
        REQUIRE_FALSE(std::filesystem::exists(dir / "out"));
        write_text(stage, "new");
        commit({&stage, 1});
    }
    REQUIRE(dir.entries() == Names{"out", "out/config.json", "out/sub", "out/sub/empty"});
    REQUIRE(read_file(dir / "out/config.json") == "new");
}

TEST_CASE("a single file gets its name only when it is committed") {
    const TempDir dir;
    make(dir / "model.gguf", file_layout());
    REQUIRE(dir.entries() == Names{"model.gguf"});
    REQUIRE(read_file(dir / "model.gguf") == "new");
}

TEST_CASE("a stage that is not committed leaves nothing, not even directories made for it") {
    const TempDir dir;
    {
        Stage stage(dir / "a/b/out", directory_layout(), false);
        REQUIRE(dir.entries().size() > 2);
    }
    REQUIRE(dir.entries().empty());
}

TEST_CASE("directories above an output are made") {
    const TempDir dir;
    make(dir / "a/b/model.gguf/", file_layout());
    REQUIRE(dir.entries() == Names{"a", "a/b", "a/b/model.gguf"});
}

TEST_CASE("an existing output is kept unless it is to be replaced") {
    const TempDir dir;
    make(dir / "out", directory_layout(), false, "old");
    make(dir / "f.gguf", file_layout(), false, "old");
    REQUIRE(error_of([&] { Stage(dir / "out", directory_layout(), false); }) ==
            dir / "out" + ": exists: pass --force to replace it");
    REQUIRE(error_of([&] { Stage(dir / "f.gguf", file_layout(), false); }) ==
            dir / "f.gguf" + ": exists: pass --force to replace it");
    {
        const Stage abandoned(dir / "out", directory_layout(), true);
    }
    REQUIRE(read_file(dir / "out/config.json") == "old");
    make(dir / "out", directory_layout(), true, "new");
    make(dir / "f.gguf", file_layout(), true, "new");
    REQUIRE(read_file(dir / "out/config.json") == "new");
    REQUIRE(dir.entries() == Names{"f.gguf", "out", "out/config.json", "out/sub", "out/sub/empty"});
}

TEST_CASE("an output that appears while it is written is not overwritten") {
    const TempDir dir;
    Stage stage(dir / "f.gguf", file_layout(), false);
    write_file(dir / "f.gguf", "other");
    REQUIRE(error_of([&] { commit({&stage, 1}); }) == dir / "f.gguf" + ": exists: pass --force to replace it");
    REQUIRE(read_file(dir / "f.gguf") == "other");
}

TEST_CASE("a directory of other things is never replaced, nor a file by a directory") {
    const TempDir dir;
    write_file(dir / "thesis.tex", "years of work");
    std::filesystem::create_directory(dir / "empty");
    std::filesystem::create_directory(dir / "home");
    write_file(dir / "home/thesis.tex", "years of work");
    make(dir / "empty", directory_layout(), true);
    REQUIRE(error_of([&] { Stage(dir / "home", directory_layout(), true); }) ==
            dir / "home" +
                ": has 1 file that this conversion does not write, 'thesis.tex': it is not replaced: take it away, or "
                "name another output");
    REQUIRE(error_of([&] { Stage(dir / "thesis.tex", directory_layout(), true); }) ==
            dir / "thesis.tex" + ": is a file, the output is a directory: it is not replaced");
    REQUIRE(error_of([&] { Stage(dir / "empty", file_layout(), true); }) ==
            dir / "empty" + ": is a directory, the output is a file: it is not replaced");
}

TEST_CASE("a link to a directory stays one, a link to nothing is refused") {
    const TempDir dir;
    std::filesystem::create_directory(dir / "disk");
    make(dir / "disk/out", directory_layout(), false, "old");
    std::filesystem::create_directory_symlink(dir / "disk/out", dir / "link");
    std::filesystem::create_symlink(dir / "nothing", dir / "dangling");
    make(dir / "link", directory_layout(), true);
    REQUIRE(std::filesystem::is_symlink(dir / "link"));
    REQUIRE(read_file(dir / "disk/out/config.json") == "new");
    REQUIRE(error_of([&] { Stage(dir / "dangling", directory_layout(), false); }) ==
            dir / "dangling" + ": is a link to nothing: remove it or make what it points to");
}

TEST_CASE("two outputs of one path are refused") {
    const TempDir dir;
    const Stage first(dir / "out", directory_layout(), false);
    REQUIRE(error_of([&] { Stage(dir / "./out/", directory_layout(), false); }) ==
            dir / "out" + ": two outputs have this path");
}

TEST_CASE("outputs that cannot be written are refused before anything is done") {
    const TempDir dir;
    std::filesystem::create_directories(dir / "ckpt/sub");
    write_file(dir / "file", "");
    const auto verdict = [&](const std::string& output, bool force = false) {
        return error_of([&] { check_output_path(output, dir / "ckpt", force); });
    };
    REQUIRE(verdict(dir / "new/out").empty());
    REQUIRE(verdict(dir / "ckpt-out").empty());
    REQUIRE(verdict(dir / "ckpt/out") ==
            dir / "ckpt/out" + ": the output lies in the input '" + dir.path() + "/ckpt': name a path outside it");
    REQUIRE(verdict(dir.path() + "/", true) ==
            dir.path() + "/: the input '" + dir.path() + "/ckpt' lies in the output: name another path");
    REQUIRE(verdict(dir / "file") == dir / "file" + ": exists: pass --force to replace it");
    REQUIRE(verdict(dir / "file/out") == dir / "file/out" + ": '" + dir.path() + "/file' is not a directory");
    REQUIRE(verdict("/") == "/: cannot be an output");
    REQUIRE(verdict("") == "output: its path is empty");
    REQUIRE(verdict("/proc/model").find("/proc/model: ") == (::geteuid() == 0 ? std::string::npos : 0));
}

TEST_CASE("the current directory is never replaced") {
    const TempDir dir;
    const std::filesystem::path here = std::filesystem::current_path();
    std::filesystem::current_path(dir.path());
    const std::string text = error_of([&] { Stage(".", directory_layout(), true); });
    std::filesystem::current_path(here);
    REQUIRE(text == dir.path() + ": the current directory is in it, it is not replaced: change to another directory");
}

namespace {

/// Runs `body` in a child process that waits, with a stage open, for a signal; returns how the child ended.
int signal_child(const TempDir& dir, int signal, bool ignored) {
    const ::pid_t child = ::fork();
    if (child == 0) {
        if (ignored) std::signal(signal, SIG_IGN);
        remove_stages_on_signal();
        Stage stage(dir / "a/out", directory_layout(), false);
        write_file(dir / "ready", "");
        std::this_thread::sleep_for(std::chrono::seconds(ignored ? 1 : 60));
        commit({&stage, 1});
        ::_exit(7);
    }
    while (!std::filesystem::exists(dir / "ready")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(child, signal);
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace

TEST_CASE("a signal removes what is being written and then ends the process") {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        const TempDir dir;
        const int status = signal_child(dir, signal, false);
        REQUIRE(WIFSIGNALED(status));
        REQUIRE(WTERMSIG(status) == signal);
        REQUIRE(dir.entries() == Names{"ready"});
    }
}

TEST_CASE("a signal that was ignored before stays ignored") {
    const TempDir dir;
    const int status = signal_child(dir, SIGHUP, true);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 7);
    REQUIRE(std::filesystem::exists(dir / "a/out/config.json"));
}
