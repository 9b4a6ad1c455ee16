# `cmake --install`: program and plugins, where they are declared; here the SDK, the configurations and the documents.
# Nothing installed holds an absolute path that it needs, so a prefix can be moved.
include(CMakePackageConfigHelpers)
set(package_dir lib/cmake/unshard)

install(DIRECTORY core/include/unshard DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS unshard_sdk EXPORT unshardTargets)
install(EXPORT unshardTargets NAMESPACE unshard:: DESTINATION ${package_dir})

configure_package_config_file(cmake/unshardConfig.cmake.in ${PROJECT_BINARY_DIR}/unshardConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/unshardConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/unshardConfig.cmake ${PROJECT_BINARY_DIR}/unshardConfigVersion.cmake
  cmake/UnshardAddPlugin.cmake cmake/plugin_exports.map
  DESTINATION ${package_dir})

install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/unshard)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
