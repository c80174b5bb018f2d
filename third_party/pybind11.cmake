# pybind11, pybind11.readthedocs.io.
# Version: 3.0 or newer, below 4 (3 initializes modules in phases); the range that pyproject.toml asks for. Licence: BSD-3-Clause.
# Why: Python bindings in C++ with little to write and no code generator.
#
# It comes from the Python environment that builds: pip's build environment, or the virtual environment whose python
# runs first on PATH (or -DPython_EXECUTABLE=...).
set(PYBIND11_FINDPYTHON ON)
find_package(Python 3.9 QUIET COMPONENTS Interpreter Development.Module)
if(NOT Python_FOUND)
  ossmc_missing("Python 3.9 or newer with its headers" APT python3-dev DNF python3-devel)
endif()
if(NOT pybind11_DIR)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
    OUTPUT_VARIABLE _ossmc_pybind11_dir
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(_ossmc_pybind11_dir)
    set(pybind11_DIR "${_ossmc_pybind11_dir}")
  endif()
endif()
find_package(pybind11 3.0 CONFIG QUIET)
if(NOT pybind11_FOUND)
  message(FATAL_ERROR "pybind11 3.0 or newer was not found for ${Python_EXECUTABLE}. Install it there:\n"
                      "  ${Python_EXECUTABLE} -m pip install 'pybind11>=3.0,<4'\n"
                      "or build without the Python module: -DOSSMC_BUILD_PYTHON=OFF")
endif()
