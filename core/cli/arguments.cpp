#include "arguments.hpp"

#include "console.hpp"
#include "text/suggest.hpp"
#include "unshard/tools/error.hpp"

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
    std::string make_usage(const CLI::App* app, std::string /*name*/) const override {
        return "\nUsage: " + app->get_name() + " " + usage_ + "\n";
    }

private:
    std::string usage_;
};

std::string help_text(const CLI::App& app) {
    std::string text = app.help();
    for (std::size_t at = 0; (at = text.find("\n\n\n", at)) != std::string::npos;) text.erase(at, 1);
    return text;
}

/// CLI11's words for a value that is missing or one too many.
std::string mismatch(std::string text) {
    const std::string option = text.substr(0, text.find(": "));
    if (text.ends_with(" missing")) return option + ": needs a value";
    if (text.find("At Most 1 ") != std::string::npos) return option + ": is given more than once";
    return text;
}

std::string unexpected(const CLI::App& app, const std::vector<std::string>& words) {
    const auto is_option = [](const std::string& w) { return w.size() > 1 && w.front() == '-'; };
    const auto option = std::find_if(words.begin(), words.end(), is_option);
    const std::string name = option == words.end() ? "" : option->substr(0, option->find('='));
    if (name.starts_with("--"))
        return fmt::format("unknown option '{}': {}", name, suggestion(name, option_names(app)));
    if (!name.empty()) return fmt::format("unknown option '{}': see '{} --help'", name, app.get_name());
    return fmt::format("unexpected argument '{}': see '{} --help'", words.front(), app.get_name());
}

}  // namespace

void set_help(CLI::App& app, const std::string& usage, const std::string& examples) {
    app.formatter(std::make_shared<HelpFormatter>(usage));
    app.set_help_flag("-h,--help", "this text");
    app.footer(examples);
}

bool parse(CLI::App& app, const Words& words) {
    try {
        app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::CallForHelp&) {
        print(help_text(app));
        return false;
    } catch (const CLI::ExtrasError& e) {
        const std::vector<std::string> extras = app.remaining();
        throw UsageError(extras.empty() ? e.what() : unexpected(app, extras));
    } catch (const CLI::ArgumentMismatch& e) {
        throw UsageError(fmt::format("{}: see '{} --help'", mismatch(e.what()), app.get_name()));
    } catch (const CLI::ParseError& e) {
        throw UsageError(fmt::format("{}: see '{} --help'", e.what(), app.get_name()));
    }
    return true;
}

CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<std::string>& values,
                      const std::string& help) {
    return app.add_option(names, values, help)->allow_extra_args(false);
}

}  // namespace unshard::cli
