# A wheel of bindings/python against an installed library, and the wheel installed into WORK/site.
# cmake -DPYTHON=... -DSOURCE=... -DINSTALLED=... -DWORK=... -DCXX=... -DLAUNCHER=... -P package.cmake
include(${CMAKE_CURRENT_LIST_DIR}/../support/run.cmake)

file(REMOVE_RECURSE ${WORK})
set(pip ${PYTHON} -m pip --disable-pip-version-check --quiet)
set(settings)
foreach(setting build-dir=${WORK}/build cmake.define.gemvec_ROOT=${INSTALLED} cmake.define.CMAKE_CXX_COMPILER=${CXX}
                cmake.define.CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
  list(APPEND settings --config-settings ${setting})
endforeach()
run(${pip} wheel --no-index --no-deps --no-build-isolation --wheel-dir ${WORK}/wheels ${settings} ${SOURCE})
file(GLOB wheel ${WORK}/wheels/gemvec-*.whl)
run(${pip} install --no-index --no-deps --target ${WORK}/site ${wheel})
