#include "report/inspect.hpp"

#include "input/locate.hpp"
#include "verify/verify.hpp"

namespace unshard {

Inspection inspect(const Pipeline::Input& input, const Plugins& plugins, unsigned threads) {
    const LocatedInput located = locate_input(input, plugins, threads);
    Inspection result{located.path, located.reader_name, located.reader->index(located.request)};
    result.index.dropped.insert(result.index.dropped.end(), located.passed_over.begin(), located.passed_over.end());
    verify_index(result.index);
    return result;
}

}  // namespace unshard
