# sidecall_generate(TARGET <target> PROTOS <file.proto>...
#                   [IMPORT_DIRS <dir>...] [OUT_DIR <dir>] [PLUGIN_OPTIONS <key=value>...])
#
# Compiles each .proto to C++ messages (<name>.pb.{h,cc}) and Sidecall stubs and services (<name>.sidecall.{h,cc}), and
# adds both to <target>, an executable or library of the calling directory, with their include directory, Sidecall and
# protobuf. A library passes these on to what links it.
#
#   PROTOS          Paths, relative to the calling directory or absolute.
#   IMPORT_DIRS     Where imports are looked for, before the calling directory. A .proto is named, in imports and
#                   #includes, by its path from the first of these directories that holds it.
#   OUT_DIR         Where the C++ goes; relative to the build directory. Default: a directory of the target's own.
#   PLUGIN_OPTIONS  Parameters of protoc-gen-sidecall.
#
# C++ is made anew when the .proto, anything it imports, protoc or the plugin changes.

# Run as a script: protoc writes the names of dependencies unescaped, one a line, and build tools part them at spaces.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${SIDECALL_DEPFILE}" rule)
  string(REPLACE "\\\n" "\n" rule "${rule}")
  string(FIND "${rule}" ": " colon)
  math(EXPR start "${colon} + 2")
  string(SUBSTRING "${rule}" ${start} -1 dependencies)
  set(escaped "${SIDECALL_OUTPUT}:\n${dependencies}")
  string(REGEX REPLACE "\n +" "\n" escaped "${escaped}")
  string(STRIP "${escaped}" escaped)
  string(REPLACE "$" "$$" escaped "${escaped}")
  string(REPLACE "#" "\\#" escaped "${escaped}")
  string(REPLACE " " "\\ " escaped "${escaped}")
  string(REPLACE "\n" " \\\n  " escaped "${escaped}")
  file(WRITE "${SIDECALL_DEPFILE}" "${escaped}\n")
  return()
endif()

include_guard(GLOBAL)
cmake_policy(PUSH)
cmake_policy(VERSION 3.25)

# Stops unless generated code can be added to `target` from here.
function(sidecall_check_generate_target target)
  if(NOT target)
    message(FATAL_ERROR "sidecall_generate: TARGET is missing. Name the executable or library that gets the code.")
  endif()
  if(NOT TARGET "${target}")
    message(FATAL_ERROR "sidecall_generate: there is no target \"${target}\". "
      "Call add_executable or add_library before sidecall_generate.")
  endif()
  get_target_property(type "${target}" TYPE)
  get_target_property(imported "${target}" IMPORTED)
  get_target_property(aliased "${target}" ALIASED_TARGET)
  if(imported OR aliased OR NOT type MATCHES "^(EXECUTABLE|STATIC_LIBRARY|SHARED_LIBRARY|MODULE_LIBRARY|OBJECT_LIBRARY)$")
    message(FATAL_ERROR "sidecall_generate: \"${target}\" takes no source files (it is imported, an alias, an interface "
      "library or a custom target). Name an executable or library of this project.")
  endif()
  get_target_property(source_dir "${target}" SOURCE_DIR)
  if(NOT source_dir STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    message(FATAL_ERROR "sidecall_generate: \"${target}\" belongs to ${source_dir}. "
      "Call sidecall_generate there: CMake builds generated files for targets of the same directory only.")
  endif()
  if(NOT TARGET sidecall::protoc-gen-sidecall OR NOT TARGET protobuf::protoc)
    message(FATAL_ERROR "sidecall_generate: sidecall::protoc-gen-sidecall or protobuf::protoc is not defined. "
      "Call find_package(sidecall), or add Sidecall as a subdirectory, first.")
  endif()
endfunction()

# Sets `result` to the path of `proto` from the first of the import directories that holds it, without ".proto".
function(sidecall_proto_base result proto)
  foreach(dir IN LISTS ARGN)
    cmake_path(IS_PREFIX dir "${proto}" NORMALIZE inside)
    if(inside)
      cmake_path(RELATIVE_PATH proto BASE_DIRECTORY "${dir}" OUTPUT_VARIABLE base)
      string(REGEX REPLACE "\\.proto(devel)?$" "" base "${base}")
      set(${result} "${base}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  string(JOIN ", " dirs ${ARGN})
  message(FATAL_ERROR "sidecall_generate: ${proto} is in none of the import directories (${dirs}). "
    "Add the directory that its imports start from to IMPORT_DIRS.")
endfunction()

# Sets `result` to the value of `option` among the plugin options, or to `default`.
function(sidecall_plugin_option result option default)
  set(value "${default}")
  string(REPLACE "," ";" options "${ARGN}")
  foreach(pair IN LISTS options)
    if(pair MATCHES "^${option}=(.*)$")
      set(value "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  set(${result} "${value}" PARENT_SCOPE)
endfunction()

function(sidecall_generate)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;OUT_DIR" "PROTOS;IMPORT_DIRS;PLUGIN_OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "sidecall_generate: unknown arguments: ${arg_UNPARSED_ARGUMENTS}. "
      "Known: TARGET, PROTOS, IMPORT_DIRS, OUT_DIR, PLUGIN_OPTIONS.")
  endif()
  sidecall_check_generate_target("${arg_TARGET}")
  if(NOT arg_PROTOS)
    message(FATAL_ERROR "sidecall_generate: PROTOS is missing. Name the .proto files of \"${arg_TARGET}\".")
  endif()

  if(NOT arg_OUT_DIR)
    set(arg_OUT_DIR "sidecall_generate/${arg_TARGET}")
  endif()
  cmake_path(ABSOLUTE_PATH arg_OUT_DIR BASE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}" NORMALIZE)
  file(MAKE_DIRECTORY "${arg_OUT_DIR}")

  set(import_dirs "")
  foreach(dir IN LISTS arg_IMPORT_DIRS ITEMS "${CMAKE_CURRENT_SOURCE_DIR}")
    cmake_path(ABSOLUTE_PATH dir BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    list(APPEND import_dirs "${dir}")
  endforeach()
  list(REMOVE_DUPLICATES import_dirs)
  # Not searched for PROTOS: sidecall/options.proto, which an installed Sidecall keeps in SIDECALL_PROTO_DIR, and the
  # .proto files that come with protobuf.
  set(import_flags ${import_dirs})
  foreach(dir IN ITEMS "${SIDECALL_PROTO_DIR}" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../proto" LISTS Protobuf_INCLUDE_DIRS)
    if(IS_DIRECTORY "${dir}")
      cmake_path(NORMAL_PATH dir)
      list(APPEND import_flags "${dir}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES import_flags)
  list(TRANSFORM import_flags PREPEND "-I")
  set(option_flags ${arg_PLUGIN_OPTIONS})
  list(TRANSFORM option_flags PREPEND "--sidecall_opt=")
  sidecall_plugin_option(header_extension header_extension ".sidecall.h" ${arg_PLUGIN_OPTIONS})
  sidecall_plugin_option(source_extension source_extension ".sidecall.cc" ${arg_PLUGIN_OPTIONS})

  foreach(proto IN LISTS arg_PROTOS)
    cmake_path(ABSOLUTE_PATH proto BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    if(NOT EXISTS "${proto}")
      get_source_file_property(generated "${proto}" GENERATED)
      if(NOT generated)
        message(FATAL_ERROR "sidecall_generate: ${proto} does not exist. Paths in PROTOS are relative to "
          "${CMAKE_CURRENT_SOURCE_DIR}.")
      endif()
    endif()
    sidecall_proto_base(base "${proto}" ${import_dirs})
    set(out "${arg_OUT_DIR}/${base}")
    set(sources "${out}.pb.cc" "${out}${source_extension}")
    # The depfile's rule names one output; the build tools take it for all of them.
    set(outputs "${out}.pb.h" ${sources} "${out}${header_extension}")
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND protobuf::protoc ${import_flags} "--plugin=protoc-gen-sidecall=$<TARGET_FILE:sidecall::protoc-gen-sidecall>"
        "--cpp_out=${arg_OUT_DIR}" "--sidecall_out=${arg_OUT_DIR}" ${option_flags} "--dependency_out=${out}.d"
        "${proto}"
      COMMAND "${CMAKE_COMMAND}" "-DSIDECALL_DEPFILE=${out}.d" "-DSIDECALL_OUTPUT=${out}.pb.h"
        -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
      DEPENDS "${proto}" protobuf::protoc sidecall::protoc-gen-sidecall
      DEPFILE "${out}.d"
      COMMENT "Generating C++ from ${base}.proto"
      VERBATIM)
    target_sources("${arg_TARGET}" PRIVATE ${outputs})
    # Nobody edits these: warnings that a project asks for are for its own code.
    set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS "-w")
    set_property(SOURCE ${sources} PROPERTY SKIP_LINTING ON)
  endforeach()

  target_include_directories("${arg_TARGET}" SYSTEM PUBLIC "$<BUILD_INTERFACE:${arg_OUT_DIR}>")
  # Sidecall itself has services, too, and links what it needs.
  get_target_property(library sidecall::sidecall ALIASED_TARGET)
  if(arg_TARGET STREQUAL library)
    return()
  endif()
  # Not target_link_libraries: its two forms do not mix, and the caller may use either.
  set_property(TARGET "${arg_TARGET}" APPEND PROPERTY LINK_LIBRARIES sidecall::sidecall protobuf::libprotobuf)
  set_property(TARGET "${arg_TARGET}" APPEND PROPERTY INTERFACE_LINK_LIBRARIES sidecall::sidecall protobuf::libprotobuf)
endfunction()

cmake_policy(POP)
