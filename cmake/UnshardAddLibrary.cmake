# unshard_add_library(<name> SOURCES <file>... [PUBLIC <target>...] [PRIVATE <target>...])
#
# What several plugins, or a plugin and its tests, share: a static library that can be linked into a shared object. Its
# headers are included with the name of its directory.
function(unshard_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/..)
  target_link_libraries(${name} PUBLIC unshard::sdk fmt::fmt ${arg_PUBLIC} PRIVATE unshard_warnings ${arg_PRIVATE})
  target_precompile_headers(${name} REUSE_FROM unshard_shared_headers)
  set_target_properties(${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
