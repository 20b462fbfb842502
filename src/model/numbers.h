// Number formats of weight files, under this room's name.
#pragma once

#include "base/numbers.h"

namespace gemvec::model {

using base::from_bf16;
using base::from_f16;
using base::to_bf16;

}  // namespace gemvec::model
