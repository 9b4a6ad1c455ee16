# Headers that nearly every source includes and that take the compiler longer than the source itself. They are compiled
# once for the program, once for what goes into shared objects, and once for the tests: the compiler wants the same
# options where they are used.
set(UNSHARD_PRECOMPILED <nlohmann/json.hpp> <algorithm> <filesystem>)
add_compile_options(-pthread)  # re2 asks for it
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(unshard_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # for ccache
endif()

# unshard_precompile(<name> [LIBRARIES <target>...] [HEADERS <header>...]): use it with
# target_precompile_headers(<target> REUSE_FROM <name>).
function(unshard_precompile name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBRARIES;HEADERS")
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp CONTENT "")
  add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE unshard::sdk unshard_warnings ${arg_LIBRARIES})
  target_precompile_headers(${name} PRIVATE ${UNSHARD_PRECOMPILED} ${arg_HEADERS})
endfunction()

unshard_precompile(unshard_headers)
unshard_precompile(unshard_shared_headers)
set_target_properties(unshard_shared_headers PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
