// Multi: a curl multi handle, and whether it may still be used.
//
// Owned and used by one I/O thread. Once a call on it has failed it must not be used on: when our
// part of it failed, say because the system's limit for watched sockets is reached, libcurl runs
// none of its transfers any more, calls no timer, and refuses new ones, and all that does not show
// elsewhere. Then its owner takes all handles out, closes it and opens it anew.
#pragma once

#include <curl/curl.h>

#include <string>

#include "transfer/curl_handle.h"

namespace ossmc {

class Multi {
 public:
  // What libcurl calls back, and with whom.
  struct Callbacks {
    curl_socket_callback socket;
    curl_multi_timer_callback timer;
    void* owner;
  };
  Multi(Callbacks callbacks, int max_connections)
      : callbacks_(callbacks), max_connections_(max_connections) {}

  // False: out of memory, or a libcurl that lacks an option which we do not go without; it is
  // closed then. REQUIRES: closed.
  bool open();
  // Closes the connections too. REQUIRES: no handle is in it. Does nothing if it is closed.
  void close();
  // Leaves it as it is, with all that is in it: its descriptors were closed by somebody else, and
  // libcurl would close or write to what has their numbers now. Leaks a few KiB.
  void abandon() { static_cast<void>(handle_.release()); }
  // False: a call since open() failed.
  bool is_good() const { return error_ == CURLM_OK; }
  // What failed, in the system's words or libcurl's. REQUIRES: not is_good().
  std::string error_text() const;
  // So many are kept at most, those in progress counted. Heeded as exchanges end, one connection at
  // each; until open().
  void keep_connections(int most);
  // Before one of our callbacks returns failure: the system's reason.
  void set_cause(int error) { cause_ = error; }

  // REQUIRES of all that follow: it is open.
  bool add(CURL* easy);
  void remove(CURL* easy);
  // Lets libcurl act on a socket that is ready, or on its timer (CURL_SOCKET_TIMEOUT).
  void act(curl_socket_t socket, int events);
  // On all of them, ready or not.
  void act_on_all();
  // The next transfer that has ended; nullptr: none. It holds until the next call.
  const CURLMsg* next_message();

 private:
  bool note(CURLMcode code);

  const Callbacks callbacks_;
  const long max_connections_;
  long kept_connections_ = 0;  // as libcurl knows it
  MultiHandle handle_;
  CURLMcode error_ = CURLM_OK;  // the first since open()
  int cause_ = 0;               // an errno; 0: none is known
};

}  // namespace ossmc
