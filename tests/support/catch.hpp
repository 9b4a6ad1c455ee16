// Catch2 2 or 3, whichever the system has.
#pragma once

#if UNSHARD_CATCH2_VERSION == 3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
