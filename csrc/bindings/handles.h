// The Python classes' C++ sides that more than one binding file makes.
#pragma once

#include <memory>

#include "auth/credentials.h"
#include "bindings/bind.h"
#include "connector/connector.h"
#include "connector/object_reader.h"
#include "listing/object_columns.h"

namespace ossmc::bindings {

struct CredentialsFeed {
  std::shared_ptr<CredentialsCache> cache;
};

struct ConnectorHandle {
  Released<Connector> connector;
  std::vector<std::string> warnings;
};

struct ReaderHandle {
  Released<ObjectReader> reader;
};

struct ViewHandle {
  Released<ObjectView> view;
};

struct ColumnsHandle {
  std::string bucket;
  Released<const ObjectColumns> columns;
};

}  // namespace ossmc::bindings
