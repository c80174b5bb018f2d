// The Python classes' C++ sides that more than one binding file makes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/credentials.h"
#include "bindings/bind.h"
#include "connector/connector.h"
#include "connector/object_listing.h"
#include "connector/object_reader.h"
#include "listing/object_columns.h"

namespace ossmc::bindings {

struct CredentialsFeed {
  std::shared_ptr<CredentialsCache> cache;
};

struct ConnectorHandle {
  Released<Connector> connector;
  std::vector<std::string> warnings;
  const std::shared_ptr<CallerDuties> duties;
};

// The one owner of a C++ reader on Python's side.
struct ReaderHandle {
  ReaderHandle(Released<ObjectReader> opened, std::shared_ptr<const CallerDuties> its_duties)
      : reader(std::move(opened)), duties(std::move(its_duties)) {}

  // The reader. ValueError once closed.
  ObjectReader& open_reader() const {
    if (reader->is_closed()) raise(reader->check_open());
    return *reader;
  }

  Released<ObjectReader> reader;
  const std::shared_ptr<const CallerDuties> duties;
};

struct ViewHandle {
  Released<ObjectView> view;
  bool is_owner = false;  // nobody else reads these bytes: they may be changed
};

struct ChunkHandle {
  Released<ChunkView> view;
};

struct ColumnsHandle {
  ColumnsHandle(std::string_view bucket_name, Released<const ObjectColumns> listed)
      : bucket(decoded(bucket_name)), columns(std::move(listed)) {}
  py::object storage_class(std::uint32_t id) const;

  const py::str bucket;
  Released<const ObjectColumns> columns;
  mutable std::vector<py::object> storage_classes;  // by id; made when first asked for
};

// A listing in progress, and its rows that nobody has taken yet. One thread at a time.
struct ListingHandle {
  ListingHandle(std::string bucket_name, Released<ObjectListing> begun,
                std::shared_ptr<const CallerDuties> its_duties)
      : bucket(std::move(bucket_name)), listing(std::move(begun)), duties(std::move(its_duties)) {}

  const std::string bucket;
  Released<ObjectListing> listing;
  const std::shared_ptr<const CallerDuties> duties;
  ObjectColumns rows;
  bool busy = false;  // see ListingCall
};

// A call that has the listing for itself until it ends, however that is: others get RuntimeError.
// Begins and ends with the GIL held.
class ListingCall {
 public:
  explicit ListingCall(ListingHandle& listing) : listing_(listing) {
    if (listing.busy) throw std::runtime_error("this listing is in use by another thread");
    listing.busy = true;
  }
  ~ListingCall() { listing_.busy = false; }
  ListingCall(const ListingCall&) = delete;
  ListingCall& operator=(const ListingCall&) = delete;

 private:
  ListingHandle& listing_;
};

// Of (uri, version id or "", listed size, ETag or "", time), as the Python layer makes it.
ObjectToOpen object_of(const py::tuple& object, bool prefetch);

// The same of an ObjectRow of exactly that type, as the Python layer would read it. Nothing: it is
// to be asked, for there is more to it.
std::optional<ObjectToOpen> object_of_row(const py::handle& object, const py::handle& type);

// An instance of `type`, a class derived from ObjectRow, of what replies told.
py::object object_row(const py::handle& type, const ObjectName& name, const ObjectVersion& version);
// The same, of a listing's row. REQUIRES: i is a row.
py::object object_row(const ColumnsHandle& handle, const py::handle& type, std::size_t i);
// Iterators over rows as such objects, and over their keys. REQUIRES: `columns` is a ColumnsHandle
// and has those rows.
py::object iterate_rows(const py::object& columns, const py::handle& type, const RowRange& rows);
py::object iterate_keys(const py::object& columns, const RowRange& rows);

}  // namespace ossmc::bindings
