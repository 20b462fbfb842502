# gemvec_add_test(NAME SOURCES a_test.cc ... [LIBS lib ...] [LABELS unit|golden|...] [PER_ISA | ISAS isa ...]
#                 [TIMEOUT s])
#
# One GoogleTest program, registered with ctest as one test (its output names the cases). It sees
# src/, so that a unit test can stand beside the code it tests. PER_ISA registers it once for every
# instruction set, or for those that ISAS names, forced with GEMVEC_ISA; one that the machine lacks is reported as
# skipped by ctest (exit code 77).
# The target thread_tests builds the programs with the label "thread", which is all that the tsan preset runs.
add_custom_target(thread_tests)
function(gemvec_add_test name)
  cmake_parse_arguments(ARG "PER_ISA" "TIMEOUT" "SOURCES;LIBS;LABELS;ISAS" ${ARGN})
  if(NOT GEMVEC_BUILD_TESTS)
    return()
  endif()
  find_package(GTest REQUIRED)
  add_executable(${name} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/support/main.cc)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE gemvec gemvec_flags Boost::json fmt::fmt Threads::Threads GTest::gtest
                                        ${ARG_LIBS})
  target_compile_definitions(${name} PRIVATE GEMVEC_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # Its own code runs for a moment, and -O3 is a third of the time that it takes to compile.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  # The real model runs on all cores: beside another test, both would only wait for each other.
  set(processors 1)
  if("golden" IN_LIST ARG_LABELS)
    cmake_host_system_information(RESULT processors QUERY NUMBER_OF_LOGICAL_CORES)
  endif()
  if("thread" IN_LIST ARG_LABELS)
    add_dependencies(thread_tests ${name})
  endif()
  if(ARG_PER_ISA)
    set(ARG_ISAS scalar avx2 avxvnni avx512 avx512vnni avx512bf16 amx)
  endif()
  if(ARG_ISAS)
    foreach(isa ${ARG_ISAS})
      add_test(NAME ${name}.${isa} COMMAND ${name})
      set_tests_properties(${name}.${isa} PROPERTIES ENVIRONMENT "GEMVEC_ISA=${isa}" SKIP_RETURN_CODE 77
                                                     TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
                                                     PROCESSORS ${processors})
    endforeach()
  else()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" PROCESSORS ${processors})
  endif()
endfunction()

# gemvec_add_fuzzer(NAME SOURCES x_fuzz.cc [LIBS lib ...] [RUNS n] [MAX_LEN bytes] [CORPUS folder] [DICT file])
#
# A libFuzzer program, run by ctest for a fixed number of inputs from a fixed seed, beginning with the
# files of CORPUS: the same inputs on every machine. Built in the asan preset (clang) only.
function(gemvec_add_fuzzer name)
  cmake_parse_arguments(ARG "" "RUNS;CORPUS;DICT;MAX_LEN" "SOURCES;LIBS" ${ARGN})
  if(NOT GEMVEC_BUILD_FUZZERS)
    return()
  endif()
  if(NOT ARG_RUNS)
    set(ARG_RUNS 20000)
  endif()
  if(NOT ARG_MAX_LEN)
    set(ARG_MAX_LEN 4096)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name} PRIVATE gemvec gemvec_flags Boost::json fmt::fmt Threads::Threads ${ARG_LIBS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  # Seeds are named one by one: libFuzzer would write what it finds into a folder that it is given, and
  # the next run would begin elsewhere.
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  set(options -runs=${ARG_RUNS} -seed=1 -max_len=${ARG_MAX_LEN} -timeout=20
              -artifact_prefix=${CMAKE_BINARY_DIR}/fuzz/${name}-)
  if(ARG_CORPUS)
    get_filename_component(folder ${ARG_CORPUS} ABSOLUTE)
    file(GLOB seeds CONFIGURE_DEPENDS ${folder}/*)
    string(JOIN "," seeds ${seeds})
    list(APPEND options -seed_inputs=${seeds})
  endif()
  if(ARG_DICT)
    get_filename_component(dictionary ${ARG_DICT} ABSOLUTE)
    list(APPEND options -dict=${dictionary})
  endif()
  add_test(NAME ${name} COMMAND ${name} ${options})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS fuzz)
endfunction()
