# Flags every target of the project gets: warnings, and sanitizers where a preset asks for them.
add_library(gemma3n_flags INTERFACE)
target_compile_features(gemma3n_flags INTERFACE cxx_std_20)
target_compile_options(gemma3n_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -ffp-contract=off
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # false in g++ 12 for std::string operator+ (GCC bug 105651)
  $<$<BOOL:${GEMMA3N_WARNINGS_AS_ERRORS}>:-Werror>)
if(GEMMA3N_SANITIZE)
  target_compile_options(gemma3n_flags INTERFACE
    -fsanitize=${GEMMA3N_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(gemma3n_flags INTERFACE -fsanitize=${GEMMA3N_SANITIZE})
endif()
if(GEMMA3N_BUILD_FUZZERS)
  target_compile_options(gemma3n_flags INTERFACE -fsanitize=fuzzer-no-link)  # coverage of all layers
endif()

# gemma3n_test(NAME SOURCE... [LINK target...])
#   A GoogleTest executable whose tests ctest knows as NAME.Suite.Test.
function(gemma3n_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(gemma3n_${name}_test ${ARG_SOURCES})
  target_link_libraries(gemma3n_${name}_test PRIVATE gemma3n_flags ${ARG_LINK} GTest::gtest_main)
  gtest_discover_tests(gemma3n_${name}_test TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60)
endfunction()

# gemma3n_layer(NAME [SOURCES f...] [TESTS f...] [DEPENDS layer...] [USES target...])
#   The library gemma3n_NAME and, if there are tests, the executable gemma3n_NAME_test.
#   DEPENDS names layers below; USES names third-party targets, which only .cc files see.
#   A layer without sources is a set of headers.
function(gemma3n_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;DEPENDS;USES" ${ARGN})
  set(target gemma3n_${name})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE gemma3n_flags ${ARG_USES})
    set_property(GLOBAL APPEND PROPERTY GEMMA3N_OBJECTS $<TARGET_OBJECTS:${target}>)
    set_property(GLOBAL APPEND PROPERTY GEMMA3N_USES ${ARG_USES})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

  foreach(layer IN LISTS ARG_DEPENDS)
    if(NOT TARGET gemma3n_${layer})
      message(FATAL_ERROR "layer '${name}' may not depend on '${layer}': it is not below it")
    endif()
    target_link_libraries(${target} ${scope} gemma3n_${layer})
  endforeach()

  if(GEMMA3N_BUILD_TESTS AND ARG_TESTS)
    gemma3n_test(${name} SOURCES ${ARG_TESTS} LINK ${target} ${ARG_USES})
  endif()
endfunction()
