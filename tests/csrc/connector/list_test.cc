// Lists over real connections: every shape of keys, from a server that behaves and from one that
// does not.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "connector/connector.h"
#include "support/csrc/key_shapes.h"
#include "support/csrc/list_server.h"
#include "support/csrc/long_run.h"

namespace ossmc {
namespace {

// Size and ETag by key.
using Rows = std::map<std::string, std::tuple<std::uint64_t, std::string>>;

// A server of one shape and a connector to it. The server's threads stay until the process ends,
// and so does what they use.
class Store {
 public:
  Store(std::string_view shape, std::uint64_t keys, ListTrouble trouble = {}) {
    shape_ = make_key_shape(shape, keys).release();
    auto* const server = new ListServer(*shape_, 0, trouble);  // NOLINT: for the threads
    std::thread([server] { server->serve(); }).detach();
    Credentials credentials;
    credentials.access_key_id = "id";
    credentials.access_key_secret = "secret";
    Config config;
    config.prefetch_memory_bytes = 64 << 20;
    config.fast_list_workers = 8;
    connector_ =
        *Connector::make("http://127.0.0.1:" + std::to_string(server->port()), "cn-test", config,
                         CredentialsCache::make_fixed(system_clock(), std::move(credentials)));
  }

  const KeyShape& shape() const { return *shape_; }
  std::uint64_t requests() const { return connector_->stats().requests; }

  // No key twice, and a plain list in order.
  Rows list(bool fast) const {
    const Result<ObjectColumns> listed =
        connector_->list("bucket-1", shape_->prefix(), fast, no_interrupt());
    Rows rows;
    EXPECT_TRUE(listed.is_ok()) << listed.status().message();
    if (!listed.is_ok()) return rows;
    for (std::size_t i = 0; i < listed->size(); ++i) {
      const bool is_new =
          rows.try_emplace(std::string(listed->key(i)), listed->object_size(i), listed->etag(i))
              .second;
      EXPECT_TRUE(is_new) << listed->key(i);
    }
    return rows;
  }

 private:
  const KeyShape* shape_ = nullptr;
  std::shared_ptr<Connector> connector_;
};

// Short runs take every third shape: listing's own tests take them all.
std::vector<KeyShapeName> shapes_to_list() {
  std::vector<KeyShapeName> shapes;
  for (std::size_t i = 0; i < key_shape_names().size(); i += is_long_run() ? 1 : 3)
    shapes.push_back(key_shape_names()[i]);
  return shapes;
}

TEST(ListOverConnections, FastListGivesWhatThePlainOneGives) {
  for (const KeyShapeName& shape : shapes_to_list()) {
    for (const std::uint64_t keys : {0, 999, 1000, 1001, 2001}) {
      SCOPED_TRACE(std::string(shape.name) + " " + std::to_string(keys));
      const Store store(shape.name, keys);
      const Rows fast = store.list(true);
      if (keys <= 1000) {
        EXPECT_EQ(store.requests(), 1u);
      }
      EXPECT_EQ(fast.size(), keys);
      EXPECT_EQ(fast, store.list(false));
    }
  }
}

TEST(ListOverConnections, TroubleLosesNothingAndDoublesNothing) {
  ListTrouble trouble;
  trouble.refused = 0.1;
  trouble.reset = 0.1;
  trouble.short_pages = true;
  for (const KeyShapeName& shape : shapes_to_list()) {
    SCOPED_TRACE(shape.name);
    const Store calm(shape.name, 2001);
    const Store troubled(shape.name, 2001, trouble);
    EXPECT_EQ(troubled.list(true), calm.list(false));
  }
}

TEST(ListOverConnections, KeysThatStayAreFoundWhileOthersComeAndGo) {
  ListTrouble trouble;
  trouble.changing = true;
  trouble.short_pages = true;
  for (const KeyShapeName& shape : shapes_to_list()) {
    SCOPED_TRACE(shape.name);
    const Store calm(shape.name, 2001);
    const Store changing(shape.name, 2001, trouble);
    const Rows all = calm.list(false);
    const Rows found = changing.list(true);
    for (const auto& [key, fields] : found) {
      const auto known = all.find(key);
      EXPECT_TRUE(known != all.end() && known->second == fields) << key;
    }
    for (std::uint64_t index = 0; index < calm.shape().size(); ++index) {
      if (ListServer::may_be_absent(index)) continue;
      EXPECT_EQ(found.count(calm.shape().key(index)), 1u) << index;
    }
  }
}

}  // namespace
}  // namespace ossmc
