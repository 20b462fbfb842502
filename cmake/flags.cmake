# gemvec_flags: warnings and sanitizers for our own code only, never for a consumer of the library.
add_library(gemvec_flags INTERFACE)
target_compile_options(gemvec_flags INTERFACE -Wall -Wextra -Werror)
# g++ 12 warns about overlapping copies in "literal" + std::string wherever it inlines one (GCC bug 105329).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(gemvec_flags INTERFACE -Wno-restrict)
endif()
# x86-64-v1 is the floor: what a machine has beyond it is asked at run time, and code for it lives in
# files of its own with their own flags. No contraction: a*b+c means two roundings unless a kernel
# asks for FMA, so that scalar code gives the same bits whatever it was compiled for.
target_compile_options(gemvec_flags INTERFACE -ffp-contract=off)
if(GEMVEC_SANITIZE)
  target_compile_options(gemvec_flags INTERFACE -fsanitize=${GEMVEC_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(gemvec_flags INTERFACE -fsanitize=${GEMVEC_SANITIZE})
endif()
if(GEMVEC_BUILD_FUZZERS)
  # The fuzzers look for new paths through the library, so the library counts them.
  target_compile_options(gemvec_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
