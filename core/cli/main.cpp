// The program: one sub-command, one exit code. 0 done, 1 failed, 2 wrong usage or configuration. Those of `diff` are
// diff's and grep's: 0 the same, 1 different, 2 trouble of any kind.

#include "arguments.hpp"
#include "console.hpp"
#include "files/staging.hpp"
#include "unshard/tools/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <new>

namespace unshard::cli {
namespace {

struct Command {
    const char* name;
    Run (*declare)(CLI::App&);
};

constexpr std::array kCommands = {
    Command{"convert", convert}, Command{"run", run},     Command{"plan", plan},       Command{"inspect", inspect},
    Command{"diff", diff},       Command{"names", names}, Command{"plugins", plugins}, Command{"init", init},
};

/// The exit code of a command that failed.
int failure = 1;

int dispatch(std::vector<std::string> words) {
    CLI::App program("", "unshard");
    program.set_version_flag("--version", "unshard " UNSHARD_VERSION, "the program's version");
    program.require_subcommand(0, 1);
    set_help(program, "unshard turns a sharded training checkpoint into a model that can be loaded.", "COMMAND ...",
             "'unshard COMMAND --help' explains a command.\n"
             "Example: unshard convert global_step_186/actor -o out/hf");
    std::map<const CLI::App*, Run> runs;
    for (const auto& [name, declare] : kCommands) {
        CLI::App* command = program.add_subcommand(name)->group("Commands");
        runs[command] = declare(*command);
    }
    if (!words.empty() && words.front() == "help") words.front() = "--help";
    if (!parse(program, words)) return 0;
    if (program.get_subcommands().empty()) {
        std::fputs(program.help().c_str(), stderr);
        return 2;
    }
    const CLI::App* command = program.get_subcommands().front();
    if (command->get_name() == "diff") failure = 2;
    return runs.at(command)();
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
        return dispatch({values + 1, values + count});
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
