// The program as a process: what it prints and how it ends.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace unshard::test {

struct ProcessResult {
    int exit_code = 0;  ///< 128 + the signal's number when a signal ended it
    std::string out, err;
};

namespace detail {

inline std::string contents(std::FILE* file) {
    std::rewind(file);
    std::string text;
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, n);
    return text;
}

}  // namespace detail

/// Runs a program (a path) to its end, in `directory`. Its output goes to files, so that no pipe can fill up.
inline ProcessResult run_process(std::vector<std::string> words, const std::string& directory = "/") {
    std::FILE* out = std::tmpfile();
    std::FILE* err = std::tmpfile();
    if (out == nullptr || err == nullptr) throw std::runtime_error("cannot make a temporary file");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::chdir(directory.c_str()) != 0) ::_exit(127);
        ::dup2(::fileno(out), STDOUT_FILENO);
        ::dup2(::fileno(err), STDERR_FILENO);
        ::execv(arguments[0], arguments.data());
        ::_exit(127);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) throw std::runtime_error("cannot run " + words[0]);
    ProcessResult result{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), detail::contents(out),
                         detail::contents(err)};
    std::fclose(out);
    std::fclose(err);
    return result;
}

/// Runs the program of this build.
inline ProcessResult unshard_process(std::vector<std::string> arguments, const std::string& directory = "/") {
    arguments.insert(arguments.begin(), std::string(UNSHARD_BINARY_DIR) + "/bin/unshard");
    return run_process(std::move(arguments), directory);
}

}  // namespace unshard::test
