# Installs the build, moves the installed tree (it must not remember where it was made), and builds the consumers.
# cmake -DBUILD=... -DSOURCE=... -DWORK=... -DCXX=... -P build.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/made-here)
file(RENAME ${WORK}/made-here ${WORK}/installed)
foreach(file bin/gemvec include/gemvec/embedder.h share/doc/gemvec/LICENSE share/doc/gemvec/NOTICE)
  if(NOT EXISTS ${WORK}/installed/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()

# The engine alone must not ask for an HTTP client.
foreach(consumer engine fetch c)
  set(without)
  if(NOT consumer STREQUAL "fetch")
    set(without -DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON)
  endif()
  run(${CMAKE_COMMAND} -G Ninja -S ${SOURCE}/${consumer} -B ${WORK}/${consumer} -DCMAKE_BUILD_TYPE=Release
      -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${WORK}/installed ${without})
  run(${CMAKE_COMMAND} --build ${WORK}/${consumer})
endforeach()
