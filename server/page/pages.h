// What a browser gets: the page at / for people, /docs, and the OpenAPI document. Files inside the program.
#pragma once

#include "server/http/router.h"
#include "server/service.h"

namespace gemvec::server {

// GET / (a browser asks for text/html and gets the page; anyone else is told that the server runs), the
// page's files under /static/, /docs, /docs/ and /api-doc/openapi.json.
void add_pages(Router& router, Service& service);

}  // namespace gemvec::server
