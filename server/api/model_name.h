// Names under which clients may ask for the one model.
#pragma once

#include <string_view>

#include "server/service.h"

namespace gemvec::server {

// The served name or its last path component, the model's id likewise, or "embeddinggemma" with any tag; each
// of them with or without ":latest".
bool is_model_name(const ModelCard& card, std::string_view name);

}  // namespace gemvec::server
