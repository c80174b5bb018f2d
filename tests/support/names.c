/* Stands before getaddrinfo(): names that end in .test are looked up in a file, whose lines are a
 * name and an address; each line with the name is one of its addresses, in order. OSSMC_TEST_NAMES
 * says where the file is; it is read at each look-up, so a name can move.
 *
 * Loaded with LD_PRELOAD by tests/python/test_wire_faults_connections.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*Resolve)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  Resolve resolve = (Resolve)dlsym(RTLD_NEXT, "getaddrinfo");
  const char *path = getenv("OSSMC_TEST_NAMES");
  const size_t length = name == NULL ? 0 : strlen(name);
  if (path == NULL || length < 5 || strcmp(name + length - 5, ".test") != 0)
    return resolve(name, service, hints, found);
  FILE *file = fopen(path, "r");
  if (file == NULL) return EAI_NONAME;
  char known[64], address[64];
  struct addrinfo **end = found;
  *found = NULL;
  while (fscanf(file, "%63s %63s", known, address) == 2) {
    if (strcmp(known, name) != 0 || resolve(address, service, hints, end) != 0) continue;
    /* One entry for each kind of socket that was not ruled out: the next name's go behind them. */
    while (*end != NULL) end = &(*end)->ai_next;
  }
  fclose(file);
  return *found == NULL ? EAI_NONAME : 0;
}
