// The program: one sub-command, one exit code. 0 done, 1 failed, 2 wrong usage or configuration. Those of `diff` are
// diff's and grep's: 0 the same, 1 different, 2 trouble of any kind.

#include "command.hpp"
#include "console.hpp"
#include "files/staging.hpp"
#include "text/suggest.hpp"
#include "unshard/tools/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

namespace unshard::cli {
namespace {

struct Command {
    std::string_view name;
    int (*run)(const Words&);
    std::string_view summary;
};

constexpr std::array kCommands = {
    Command{"convert", convert, "convert a checkpoint: unshard convert INPUT -o OUTPUT"},
    Command{"run", run, "run a pipeline file: unshard run PIPELINE.toml"},
    Command{"plan", plan, "what convert or run would do, without writing anything"},
    Command{"inspect", inspect, "what is in a checkpoint, a safetensors directory or a GGUF file"},
    Command{"diff", diff, "compare two models, tensor by tensor: unshard diff A B"},
    Command{"plugins", plugins, "the readers, mergers and writers that are found"},
    Command{"init", init, "an annotated pipeline for a checkpoint"},
};

std::string help() {
    std::string text =
        "unshard turns a sharded training checkpoint into a model that can be loaded.\n\n"
        "Usage: unshard COMMAND ...\n\n";
    for (const Command& command : kCommands) text += fmt::format("  {:<10} {}\n", command.name, command.summary);
    return text +
           "\n"
           "  --help     this text; 'unshard COMMAND --help' explains a command\n"
           "  --version  the program's version\n\n"
           "Example: unshard convert global_step_186/actor -o out/hf\n";
}

/// The exit code of a command that failed.
int failure = 1;

const Command& find_command(const std::string& name) {
    const auto* found =
        std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& c) { return c.name == name; });
    if (found != kCommands.end()) return *found;
    if (name.starts_with("-")) throw UsageError(fmt::format("unknown option '{}': see 'unshard --help'", name));
    std::vector<std::string> names;
    for (const Command& command : kCommands) names.emplace_back(command.name);
    throw UsageError(fmt::format("unknown command '{}': {}", name, suggestion(name, names)));
}

int dispatch(Words words) {
    if (words.empty()) {
        std::fputs(help().c_str(), stderr);
        return 2;
    }
    const std::string name = words.front();
    words.erase(words.begin());
    if (name == "--version") {
        print("unshard " UNSHARD_VERSION "\n");
        return 0;
    }
    const bool is_help = name == "--help" || name == "-h" || name == "help";
    if (is_help && !words.empty()) return find_command(words.front()).run({"--help"});
    if (is_help) {
        print(help());
        return 0;
    }
    const Command& command = find_command(name);
    if (command.run == diff) failure = 2;
    return command.run(words);
}

/// What can be said without memory.
int out_of_memory() noexcept {
    std::fputs("unshard: out of memory\n", stderr);
    return failure;
}

/// An exception where none can be caught, such as in a destructor or before main: without memory that happens anywhere.
/// What is left of an output is removed by the next run.
[[noreturn]] void end_program() noexcept {
    try {
        if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
        std::_Exit(out_of_memory());
    } catch (...) {
        std::fputs("unshard: internal error: an exception where none can be caught\n", stderr);
    }
    std::abort();
}

/// Before any other object of the program is made.
[[gnu::constructor(101)]] void set_end_of_program() {
    std::set_terminate(end_program);
}

int guarded(int count, char** values) {
    try {
        return dispatch(Words(values + 1, values + count));
    } catch (const UsageError& e) {
        print_error(e.what());
        return 2;
    } catch (const Error& e) {
        print_error(e.what());
    } catch (const std::filesystem::filesystem_error& e) {
        print_error(error_text(e));
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& e) {
        print_error(fmt::format("internal error: {}", e.what()));
    }
    return failure;
}

/// The next file that is opened, an output perhaps, would have the number of a standard stream that is closed, and what
/// is printed would go into it. Through these, reading and writing fail as through closed ones.
void hold_closed_streams() {
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(number, F_GETFD) < 0) ::open("/", O_PATH);
    }
}

}  // namespace
}  // namespace unshard::cli

int main(int count, char** values) {
    unshard::cli::hold_closed_streams();
    // A reader of our output that goes away must not end us before the stages are removed.
    std::signal(SIGPIPE, SIG_IGN);
    unshard::remove_stages_on_signal();
    try {
        return unshard::cli::guarded(count, values);
    } catch (const std::exception&) {
        return unshard::cli::out_of_memory();
    }
}
