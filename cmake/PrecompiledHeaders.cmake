# Headers that nearly every source includes and that take the compiler longer than the source itself. For a target
# of one or two sources they are not worth while.
target_precompile_headers(unshard_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:<nlohmann/json.hpp$<ANGLE-R>>"
  "$<$<COMPILE_LANGUAGE:CXX>:<algorithm$<ANGLE-R>>"
  "$<$<COMPILE_LANGUAGE:CXX>:<filesystem$<ANGLE-R>>")
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(unshard_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # for ccache
endif()

function(unshard_skip_precompiling_few target)
  list(LENGTH ARGN count)
  if(count LESS 3)
    set_target_properties(${target} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
  endif()
endfunction()
