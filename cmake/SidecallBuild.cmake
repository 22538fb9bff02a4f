# How every target of this project is compiled: C++20, warnings, sanitizers, one folder for programs.

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
  endif()
  find_program(SIDECALL_CCACHE ccache)
  if(SIDECALL_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${SIDECALL_CCACHE}")
  endif()
endif()

add_library(sidecall_build_flags INTERFACE)
target_compile_features(sidecall_build_flags INTERFACE cxx_std_20)
target_compile_options(sidecall_build_flags INTERFACE -Wall -Wextra -Wpedantic)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 at -O3 sees an overlap in "literal" + std::string (its bug 105651).
  target_compile_options(sidecall_build_flags INTERFACE -Wno-restrict)
endif()
if(SIDECALL_WERROR)
  target_compile_options(sidecall_build_flags INTERFACE -Werror)
endif()
# Sanitizers triple what the optimizer has to chew: most of what -O2 -g costs there buys nothing.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -DNDEBUG")
if(SIDECALL_SANITIZE)
  # Everything is instrumented, generated protobuf code included: half an instrumented program reports false races.
  add_compile_options(-fsanitize=${SIDECALL_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SIDECALL_SANITIZE})
  if(SIDECALL_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
