// The APIs that the server speaks. Each function adds its routes; service must outlive the router.
#pragma once

#include "server/http/router.h"
#include "server/service.h"

namespace gemvec::server {

// text-embeddings-inference: /embed, / and /invocations (POST), /embed_all, /embed_sparse, /similarity,
// /predict, /rerank, /tokenize (also llama-server's, told apart by its keys), /decode, /vertex, /info.
void add_tei(Router& router, Service& service);
// OpenAI: /v1/embeddings, /embeddings, /v1/models, /v1/models/*.
void add_openai(Router& router, Service& service);
// Ollama: /api/embed, /api/embeddings, /api/tags, /api/show, /api/ps, /api/version, /api/pull.
void add_ollama(Router& router, Service& service);
// Cohere: /v2/embed.
void add_cohere(Router& router, Service& service);
// llama-server: /embedding, /detokenize.
void add_llama(Router& router, Service& service);
// /health, /ping, /metrics.
void add_operations(Router& router, Service& service);

}  // namespace gemvec::server
