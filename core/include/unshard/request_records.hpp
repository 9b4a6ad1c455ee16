// The request as records, both ways.
#pragma once

#include "unshard/records.hpp"
#include "unshard/request.hpp"

namespace unshard::abi {

inline unshard_request record(Records& own, const Request& request) {
    return {text(request.input),
            text(request.output),
            text(request.assets),
            own.own(json_text(request.options)),
            request.threads,
            0,
            own.own(json_text(request.config)),
            own.own(json_text(request.model)),
            own.own(json_text(request.config_changes))};
}
inline Request value(const unshard_request& r) {
    Request request;
    request.input = text(r.input);
    request.output = text(r.output);
    request.assets = text(r.assets);
    request.options = json_object(r.options);
    request.threads = std::max(r.threads, 1U);
    request.config = text(r.config) == "null" ? nlohmann::json() : json_object(r.config);
    request.model = json_object(r.model);
    request.config_changes = json_object(r.config_changes);
    return request;
}

}  // namespace unshard::abi
