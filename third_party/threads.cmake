# Threads: the system's threads library, part of the C library on Linux.
# Version: any. Licence: the C library's (glibc: LGPL-2.1-or-later).
# Why: I/O threads and locks.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
