// The command `gemvec`.
#include "cli/app.h"

int main(int argc, char** argv) { return gemvec::cli::run(argc, argv); }
