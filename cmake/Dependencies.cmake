# Everything unshard is built from comes from the system; the names below are Debian's packages.
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED)             # libboost-dev: Boost.DLL, header-only
find_package(nlohmann_json 3.11 REQUIRED)     # nlohmann-json3-dev
find_package(tomlplusplus 3.3 REQUIRED)       # libtomlplusplus-dev
find_package(fmt 9 REQUIRED)                  # libfmt-dev
find_package(CLI11 2.1 REQUIRED)              # libcli11-dev
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)       # libre2-dev
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)  # libdeflate-dev: CRC-32, fast
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)     # zlib1g-dev: CRC-32 of parts, combined
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)  # libzstd-dev
