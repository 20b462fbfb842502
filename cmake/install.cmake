# find_package(gemvec) for consumers: gemvec::gemvec, the engine, and gemvec::fetch, the downloader.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS gemvec gemvec_fetch gemvec_flags EXPORT gemvec-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS gemvec_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(EXPORT gemvec-targets NAMESPACE gemvec:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gemvec)
configure_package_config_file(cmake/gemvec-config.cmake.in ${CMAKE_BINARY_DIR}/gemvec-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gemvec)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gemvec-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/gemvec-config.cmake ${CMAKE_BINARY_DIR}/gemvec-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gemvec)
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
