// llama-server's routes that are told apart inside another API's.
#pragma once

#include <string_view>

#include "server/api/call.h"
#include "server/api/json_body.h"

namespace gemvec::server {

// {"content", "add_special", "parse_special", "with_pieces"} -> {"tokens": [...]}
void llama_tokenize(Call call, const JsonBody& body, std::string_view route);

}  // namespace gemvec::server
