# varve_folder(NAME [DEPENDS folder...] [LIBRARIES target...]): one folder, one static library varve_NAME.
# Takes every *.cc of the folder and of its operations/ and background/; *_test.cc become the test program NAME_test,
# *_fuzz.cc one fuzz target each, main.cc and *_main.cc are left to the folder's own CMakeLists.txt.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(GTest REQUIRED)

add_library(varve_flags INTERFACE)
target_include_directories(varve_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
target_compile_options(varve_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Werror -Wno-unused-parameter -fno-omit-frame-pointer>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(varve_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fcoroutines -Wno-missing-field-initializers -Wno-dangling-pointer
    -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds
    -Wno-dangling-else>)
endif()
if(VARVE_PLANT)
  target_compile_definitions(varve_flags INTERFACE VARVE_PLANT_${VARVE_PLANT}=1)
endif()
target_link_libraries(varve_flags INTERFACE Threads::Threads)

function(varve_folder name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_SOURCE_DIR}/*.cc ${CMAKE_CURRENT_SOURCE_DIR}/*/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz|main)\\.cc$")
  list(TRANSFORM ARG_DEPENDS PREPEND varve_)
  list(TRANSFORM ARG_TEST_DEPENDS PREPEND varve_)
  add_library(varve_${name} STATIC ${sources})
  target_link_libraries(varve_${name} PUBLIC varve_flags ${ARG_DEPENDS} ${ARG_LIBRARIES})
  if(VARVE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE varve_${name} ${ARG_TEST_DEPENDS} GTest::gtest GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 600)
  endif()
  if(VARVE_FUZZ)
    foreach(fuzzer IN LISTS fuzzers)
      get_filename_component(target ${fuzzer} NAME_WE)
      add_executable(${target} ${fuzzer})
      target_link_libraries(${target} PRIVATE varve_${name} ${ARG_TEST_DEPENDS})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
