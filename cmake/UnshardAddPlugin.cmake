# unshard_add_plugin(<name> KIND reader|merger|writer SOURCES <file>... [LIBRARIES <target>...])
#
# Makes the shared object unshard-<kind>-<name>.so, the target unshard-<kind>-<name>. Only the symbol `unshard_plugin` is
# visible. Used in this tree and, from the installed package, by plugins outside it.
if(NOT DEFINED UNSHARD_PLUGIN_LINK_OPTIONS)
  set(UNSHARD_PLUGIN_LINK_OPTIONS -Wl,--no-undefined)
endif()
set(UNSHARD_PLUGIN_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/plugin_exports.map)

function(unshard_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND" "SOURCES;LIBRARIES")
  if(NOT name MATCHES "^[A-Za-z0-9_][A-Za-z0-9_-]*$")
    message(FATAL_ERROR "unshard_add_plugin(${name}): a plugin's name has letters, digits, '_' and '-' only")
  endif()
  if(NOT arg_KIND MATCHES "^(reader|merger|writer)$")
    message(FATAL_ERROR "unshard_add_plugin(${name}): KIND is '${arg_KIND}', it must be reader, merger or writer")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "unshard_add_plugin(${name}): SOURCES is missing")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unshard_add_plugin(${name}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(target unshard-${arg_KIND}-${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE unshard::sdk ${arg_LIBRARIES})
  target_link_options(${target} PRIVATE -Wl,--version-script=${UNSHARD_PLUGIN_EXPORTS} ${UNSHARD_PLUGIN_LINK_OPTIONS})
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${target} SUFFIX .so LINK_DEPENDS ${UNSHARD_PLUGIN_EXPORTS}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
