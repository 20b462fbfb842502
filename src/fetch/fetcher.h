// fetch_model() for any release.
#pragma once

#include "fetch/release.h"
#include "gemvec/fetch.h"

namespace gemvec::fetch {

// As gemvec::fetch_model(), for `release`.
Result<FetchedModel> fetch_release(const Release& release, const FetchOptions& options);

}  // namespace gemvec::fetch
