# The warnings that every target of this project is built with. `unshard_warnings` is linked privately; it is not installed.
add_library(unshard_warnings INTERFACE)
target_compile_options(unshard_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Wimplicit-fallthrough)
# GCC 12 warns of overlapping, endless and outlying copies inside std::string's operator+ (GCC bug 105651, mended in 13).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(unshard_warnings INTERFACE -Wno-restrict -Wno-stringop-overflow
    -Wno-stringop-overread -Wno-array-bounds)
endif()
# GCC 13 warns of references to members of what a function was given, as to temporaries; 14 asks less often.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13
   AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  target_compile_options(unshard_warnings INTERFACE -Wno-dangling-reference)
endif()
