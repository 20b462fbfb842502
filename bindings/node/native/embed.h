// The calls that embed.
#pragma once

#include <napi.h>

#include "model.h"

namespace gemvec_node {

// Both give a promise of {count, dim, vectors, width, rows, tokens, offsets}: vectors [count, dim] and hidden
// states tokens [rows, width], each a Float32Array of the result's own memory, empty if not asked for.
// offsets [count + 1] says which rows are whose. `options` has the members that embed_options() reads.

// embed(texts, options, watch)
Napi::Value embed_texts(const Napi::CallbackInfo& info, const SharedModel& model);
// embedPadded(ids, mask or null, rows, width, options, watch): BigInt64Array [rows, width]
Napi::Value embed_rectangle(const Napi::CallbackInfo& info, const SharedModel& model);

}  // namespace gemvec_node
