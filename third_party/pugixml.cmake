# pugixml, pugixml.org.
# Version: 1.12 (Ubuntu 22.04) or newer 1.x. Licence: MIT.
# Why: the XML of listings and errors. Fast, small, keeps no DTD or external entities: what a server sends stays data.
find_package(pugixml 1.12 CONFIG QUIET)
if(NOT pugixml_FOUND)
  ossmc_missing("pugixml 1.12 or newer" APT libpugixml-dev DNF pugixml-devel)
endif()
