# What `cmake --install` puts where, for consumers with find_package(gemvec): gemvec::gemvec, the engine, with COMPONENTS
# fetch also gemvec::fetch, the downloader, and with COMPONENTS c gemvec::gemvec_c, a shared library with C's functions
# alone. An export set each, so that a program that brings its own weights needs no HTTP client to be configured, and
# one in C nothing of C++.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(GEMVEC_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/gemvec)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS gemvec gemvec_flags EXPORT gemvec-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS gemvec_c EXPORT gemvec-c-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS gemvec_fetch EXPORT gemvec-fetch-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS gemvec_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(EXPORT gemvec-targets NAMESPACE gemvec:: DESTINATION ${GEMVEC_PACKAGE_DIR})
install(EXPORT gemvec-c-targets NAMESPACE gemvec:: DESTINATION ${GEMVEC_PACKAGE_DIR})
install(EXPORT gemvec-fetch-targets NAMESPACE gemvec:: DESTINATION ${GEMVEC_PACKAGE_DIR})
configure_package_config_file(cmake/gemvec-config.cmake.in ${CMAKE_BINARY_DIR}/gemvec-config.cmake
                              INSTALL_DESTINATION ${GEMVEC_PACKAGE_DIR})
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gemvec-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/gemvec-config.cmake ${CMAKE_BINARY_DIR}/gemvec-config-version.cmake
        DESTINATION ${GEMVEC_PACKAGE_DIR})
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
