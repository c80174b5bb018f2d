#include "listing/lister.h"

namespace ossmc {

Result<ObjectColumns> list_all(Lister& lister, Interrupt& interrupt) {
  ObjectColumns rows;
  while (true) {
    const Result<bool> more = lister.next_rows(rows, interrupt);
    if (!more.is_ok()) return more.status();
    if (!*more) break;
  }
  rows.shrink_to_fit();
  return rows;
}

}  // namespace ossmc
