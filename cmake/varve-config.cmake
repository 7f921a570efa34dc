# find_package(varve): the package Varve by its other name.
include(${CMAKE_CURRENT_LIST_DIR}/VarveConfig.cmake)
