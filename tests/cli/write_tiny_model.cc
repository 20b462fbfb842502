// Writes a model folder for the tests of the command: the release's width, so that all dimensions exist, and
// little else, so that a text takes well under a millisecond.
#include <cstdio>
#include <exception>

#include "support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    gemvec::testing::TinyOptions options;
    options.width = 768;
    gemvec::testing::write_tiny_model(argv[1], options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
