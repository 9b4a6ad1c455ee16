#include "arguments.hpp"

#include "console.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace unshard::cli {
namespace {

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

class HelpFormatter : public CLI::Formatter {
public:
    explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) { column_width(32); }
    std::string make_usage(const CLI::App* /*app*/, std::string name) const override {
        return fmt::format("\nUsage: {} {}\n", name, usage_);
    }

private:
    std::string usage_;
};

std::string help_text(const CLI::App& app) {
    std::string text = app.help();
    for (std::size_t at = 0; (at = text.find("\n\n\n", at)) != std::string::npos;) text.erase(at, 1);
    return text;
}

std::string full_name(const CLI::App& app) {
    return app.get_parent() == nullptr ? app.get_name() : app.get_parent()->get_name() + " " + app.get_name();
}

std::string help_hint(const CLI::App& app) {
    return fmt::format("see '{} --help'", full_name(app));
}

/// An option that is given twice, or else the last word, which lacks its value: any other would have the next for it.
std::string mismatch(const CLI::App& app, const std::string& last) {
    const auto is_repeated = [](const CLI::Option* o) { return o->get_expected_max() == 1 && o->count() > 1; };
    const std::vector<const CLI::Option*> repeated = app.get_options(is_repeated);
    if (!repeated.empty()) return repeated.front()->get_name() + ": is given more than once";
    const std::string name = last.substr(0, last.find('='));
    const CLI::Option* option = app.get_option_no_throw(name);
    return (option == nullptr ? name : option->get_name()) + ": needs a value";
}

/// CLI11 would take the next word for the value of "--output=", and "true" for one of a flag.
void check_values(const CLI::App& program, const std::vector<std::string>& words) {
    const auto is_given = [&](const CLI::App* app) { return !words.empty() && app->get_name() == words.front(); };
    const std::vector<const CLI::App*> given = program.get_subcommands(is_given);
    if (given.empty()) return;
    const CLI::App* app = given.front();
    for (const std::string& word : words) {
        if (word == "--") return;
        const std::size_t equals = word.find('=');
        if (!word.starts_with("--") || equals == std::string::npos) continue;
        const CLI::Option* option = app->get_option_no_throw(word.substr(0, equals));
        if (option == nullptr) continue;  // unknown, which is told later
        if (option->get_expected_max() == 0) {
            throw UsageError(fmt::format("{}: takes no value: {}", option->get_name(), help_hint(*app)));
        }
        if (equals == word.size() - 1) {
            throw UsageError(fmt::format("{}: needs a value: {}", option->get_name(), help_hint(*app)));
        }
    }
}

std::string unknown_command(const CLI::App& program, const std::string& word) {
    std::vector<std::string> commands;
    for (const CLI::App* command : program.get_subcommands({})) commands.push_back(command->get_name());
    return fmt::format("unknown command '{}': {}", word, suggestion(word, commands));
}

std::string unexpected(const CLI::App& app, std::vector<std::string> words) {
    const bool is_program = app.get_parent() == nullptr;
    if (words.size() > 1) std::erase(words, "--");
    const auto is_option = [](const std::string& w) { return w.size() > 1 && w.front() == '-'; };
    if (is_program && app.get_subcommands().empty() && !is_option(words.front())) {
        return unknown_command(app, words.front());
    }
    const auto option = std::ranges::find_if(words, is_option);
    if (option != words.end()) {
        const std::string name = option->substr(0, option->find('='));
        const bool has_likes = name.starts_with("--") && !is_program;
        return fmt::format("unknown option '{}': {}", name,
                           has_likes ? suggestion(name, option_names(app)) : help_hint(app));
    }
    const std::vector<const CLI::App*> given = app.get_subcommands([](const CLI::App* c) { return c->parsed(); });
    return fmt::format("unexpected argument '{}': {}", words.front(), help_hint(given.empty() ? app : *given.front()));
}

}  // namespace

void set_help(CLI::App& app, const std::string& description, const std::string& usage, const std::string& examples) {
    app.description(description);
    app.formatter(std::make_shared<HelpFormatter>(usage));
    app.set_help_flag("-h,--help", "this text");
    app.footer(examples);
}

bool parse(CLI::App& program, const std::vector<std::string>& words) {
    const auto command = [&]() -> const CLI::App& {
        const std::vector<CLI::App*> given = program.get_subcommands();
        return given.empty() || !program.remaining().empty() ? program : *given.front();
    };
    check_values(program, words);
    try {
        program.parse(std::vector<std::string>(words.rbegin(), words.rend()));
        return true;
    } catch (const CLI::CallForHelp&) {
        if (!program.remaining().empty()) throw UsageError(unexpected(program, program.remaining()));
        print(help_text(program));
    } catch (const CLI::CallForVersion& e) {
        print(fmt::format("{}\n", e.what()));
    } catch (const CLI::ExtrasError&) {
        throw UsageError(unexpected(command(), command().remaining()));
    } catch (const CLI::ArgumentMismatch&) {
        throw UsageError(fmt::format("{}: {}", mismatch(command(), words.back()), help_hint(command())));
    } catch (const CLI::ParseError& e) {
        throw UsageError(fmt::format("{}: {}", e.what(), help_hint(command())));
    }
    return false;
}

CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<std::string>& values,
                      const std::string& help) {
    return app.add_option(names, values, help)->allow_extra_args(false);
}

}  // namespace unshard::cli
