// The connector.
#include <algorithm>
#include <list>
#include <string>
#include <tuple>
#include <vector>

#include <pybind11/stl.h>

#include "auth/signature_choice.h"
#include "bindings/handles.h"
#include "connector/verify_object.h"

namespace ossmc::bindings {

namespace {

std::unique_ptr<ConnectorHandle> make_connector(const py::str& endpoint, const py::str& region,
                                                const py::str& config_text,
                                                const py::str& config_name,
                                                const py::str& overrides,
                                                const CredentialsFeed& credentials,
                                                const py::object& renewal) {
  std::vector<std::string> warnings;
  Config config = value_or_raise(parse_config(utf8(config_text, "the configuration"),
                                              utf8(config_name, "config_path"),
                                              utf8(overrides, "config"), &warnings));
  std::shared_ptr<Connector> connector = value_or_raise(Connector::make(
      utf8(endpoint, "endpoint"), utf8(region, "region"), std::move(config), credentials.cache));
  if (connector->lacks_region()) warnings.emplace_back(v1_warning());
  auto duties = std::make_shared<CallerDuties>(credentials.cache, renewal);
  return std::make_unique<ConnectorHandle>(Released<Connector>(std::move(connector)),
                                           std::move(warnings), std::move(duties));
}

py::dict stats_dict(const ConnectorStats& stats) {
  py::dict result;
  result["bytes_received"] = stats.bytes_received;
  result["bytes_read"] = stats.bytes_read;
  result["requests"] = stats.requests;
  result["retries"] = stats.retries;
  result["throttles"] = stats.throttles;
  result["hedges"] = stats.hedges;
  result["refetches"] = stats.refetches;
  result["prefetch_hits"] = stats.prefetch_hits;
  result["prefetch_misses"] = stats.prefetch_misses;
  result["memory_bytes"] = stats.memory_bytes;
  result["memory_peak_bytes"] = stats.memory_peak_bytes;
  result["memory_limit_bytes"] = stats.memory_limit_bytes;
  result["connections"] = stats.connections;
  result["limited_by"] = stats.limited_by;
  return result;
}

py::tuple stat_tuple(const ObjectStat& stat) {
  return py::make_tuple(stat.key, stat.size, header_text(stat.etag), stat.last_modified_unix,
                        header_text(stat.storage_class), stat.version_id);
}

std::unique_ptr<ReaderHandle> handle(const ConnectorHandle& connector,
                                     std::shared_ptr<ObjectReader> reader) {
  return std::make_unique<ReaderHandle>(Released<ObjectReader>(std::move(reader)),
                                        connector.duties);
}

std::vector<ObjectToOpen> objects_of(const py::sequence& objects, bool prefetch) {
  std::vector<ObjectToOpen> wanted;
  for (const py::handle& object : objects)
    wanted.push_back(object_of(py::reinterpret_borrow<py::tuple>(object), prefetch));
  return wanted;
}

py::list open_all(ConnectorHandle& self, const std::vector<ObjectToOpen>& wanted) {
  auto readers = value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
    return self.connector->open_many(wanted, interrupt);
  }));
  py::list result;
  for (auto& reader : readers) result.append(handle(self, std::move(reader)));
  return result;
}

Released<ObjectRanges> open_ranges(ConnectorHandle& self, const py::sequence& objects) {
  const std::vector<ObjectToOpen> wanted = objects_of(objects, false);
  return Released<ObjectRanges>(std::shared_ptr<ObjectRanges>(
      value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
        return self.connector->open_ranges(wanted, interrupt);
      }))));
}

// Ranges are (number of the object, offset, length).
py::list read_ranges_of_objects(
    ConnectorHandle& self, const py::sequence& objects,
    const std::vector<std::tuple<std::size_t, std::uint64_t, std::uint64_t>>& all) {
  const Released<ObjectRanges> opened = open_ranges(self, objects);
  py::list result;
  std::vector<WantedRange> ranges;
  for (const auto& [object, offset, length] : all) {
    const std::uint64_t size = opened->size(object);
    py::bytes bytes = make_bytes(std::min(length, size - std::min(size, offset)));
    ranges.push_back({object, offset, span_of(bytes)});
    result.append(std::move(bytes));
  }
  raise_unless_ok(without_gil(
      *self.duties, [&](Interrupt& interrupt) { return opened->read(ranges, interrupt); }));
  return result;
}

// Parts are (number of the object, offset, buffer), each within its object.
void read_into_parts_of_objects(ConnectorHandle& self, const py::sequence& objects,
                                const py::sequence& parts) {
  const Released<ObjectRanges> opened = open_ranges(self, objects);
  std::list<WritableBuffer> buffers;
  std::vector<WantedRange> ranges;
  for (const py::handle& item : parts) {
    const auto [object, offset, buffer] =
        item.cast<std::tuple<std::size_t, std::uint64_t, py::object>>();
    const std::span<std::byte> to = buffers.emplace_back(buffer, "read_into").span();
    const std::uint64_t size = opened->size(object);
    if (offset > size || to.size() > size - offset)
      throw py::value_error("a part ends behind its object's end");
    ranges.push_back({object, offset, to});
  }
  raise_unless_ok(without_gil(
      *self.duties, [&](Interrupt& interrupt) { return opened->read(ranges, interrupt); }));
}

}  // namespace

ObjectToOpen object_of(const py::tuple& object, bool prefetch) {
  ObjectToOpen wanted{.uri = utf8(object[0], "uri"),
                      .version_id = utf8(object[1], "version_id"),
                      .prefetches = prefetch};
  std::string etag = utf8(object[3], "etag");
  if (!etag.empty())
    wanted.listed =
        ListedVersion{object[2].cast<std::uint64_t>(), std::move(etag), object[4].cast<double>()};
  return wanted;
}

void register_connector(py::module_& module) {
  py::class_<ConnectorHandle>(module, "Connector", py::is_final())
      .def(py::init(&make_connector), py::arg("endpoint"), py::arg("region"),
           py::arg("config_text"), py::arg("config_name"), py::arg("overrides"),
           py::arg("credentials"), py::arg("renewal"))
      .def_property_readonly("warnings", [](const ConnectorHandle& self) { return self.warnings; })
      .def_property_readonly(
          "endpoint", [](const ConnectorHandle& self) { return self.connector->endpoint_text(); })
      .def_property_readonly(
          "region", [](const ConnectorHandle& self) { return self.connector->signing().region; })
      .def_property_readonly(
          "signature",
          [](const ConnectorHandle& self) {
            return self.connector->signing().version == SignatureVersion::kV4 ? "V4" : "V1";
          })
      .def_property_readonly("log_settings",
                             [](const ConnectorHandle& self) {
                               const Config& config = self.connector->config();
                               return py::make_tuple(static_cast<int>(config.log_level),
                                                     config.log_path, config.audit_path);
                             })
      .def_property_readonly(
          "bytes_per_round_trip",
          [](const ConnectorHandle& self) { return self.connector->bytes_per_round_trip(); })
      .def(
          "chunk_seconds",
          [](const ConnectorHandle& self, double fraction) {
            return self.connector->chunk_latencies().whole_us.value_at(fraction) / 1e6;
          },
          py::arg("fraction"))
      .def_property_readonly(
          "clock_offset_seconds",
          [](const ConnectorHandle& self) { return self.connector->clock_offset_seconds(); })
      .def_property_readonly(
          "closed", [](const ConnectorHandle& self) { return self.connector->is_closed(); })
      .def(
          "open",
          [](ConnectorHandle& self, const py::tuple& object, bool prefetch) {
            const ObjectToOpen wanted = object_of(object, prefetch);
            return handle(self, value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
                            return self.connector->open(wanted, interrupt);
                          })));
          },
          py::arg("object"), py::arg("prefetch"))
      .def(
          "open_many",
          [](ConnectorHandle& self, const py::sequence& objects, bool prefetch) {
            return open_all(self, objects_of(objects, prefetch));
          },
          py::arg("objects"), py::arg("prefetch"))
      .def(
          "prefetch_confirmed",
          [](ConnectorHandle& self, const py::sequence& objects) {
            std::vector<ObjectToOpen> wanted = objects_of(objects, true);
            for (ObjectToOpen& object : wanted) object.is_confirmed = true;
            return open_all(self, wanted);
          },
          py::arg("objects"))
      .def("read_ranges", &read_ranges_of_objects, py::arg("objects"), py::arg("ranges"))
      .def("read_into", &read_into_parts_of_objects, py::arg("objects"), py::arg("parts"))
      .def(
          "verify",
          [](ConnectorHandle& self, const py::tuple& object) {
            const ObjectToOpen wanted = object_of(object, false);
            return value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
              return verify_object(*self.connector, wanted, interrupt);
            }));
          },
          py::arg("object"))
      .def(
          "stat",
          [](ConnectorHandle& self, const py::str& uri, const py::str& version_id) {
            const std::string text = utf8(uri, "uri");
            const std::string version = utf8(version_id, "version_id");
            return stat_tuple(value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
              return self.connector->stat(text, version, interrupt);
            })));
          },
          py::arg("uri"), py::arg("version_id"))
      .def(
          "exists",
          [](ConnectorHandle& self, const py::str& uri, const py::str& version_id) {
            const std::string text = utf8(uri, "uri");
            const std::string version = utf8(version_id, "version_id");
            const Result<ObjectStat> stat = without_gil(*self.duties, [&](Interrupt& interrupt) {
              return self.connector->stat(text, version, interrupt);
            });
            if (!stat.is_ok() && stat.status().code() != StatusCode::kObjectNotFound)
              raise(stat.status());
            return stat.is_ok();
          },
          py::arg("uri"), py::arg("version_id"))
      .def(
          "list",
          [](ConnectorHandle& self, const py::str& bucket, const py::str& prefix, bool fast) {
            const std::string bucket_text = utf8(bucket, "bucket");
            const std::string prefix_text = utf8(prefix, "prefix");
            ObjectColumns columns =
                value_or_raise(without_gil(*self.duties, [&](Interrupt& interrupt) {
                  return self.connector->list(bucket_text, prefix_text, fast, interrupt);
                }));
            return std::make_unique<ColumnsHandle>(
                bucket_text, Released<const ObjectColumns>(
                                 std::make_shared<const ObjectColumns>(std::move(columns))));
          },
          py::arg("bucket"), py::arg("prefix"), py::arg("fast"))
      .def(
          "start_list",
          [](ConnectorHandle& self, const py::str& bucket, const py::str& prefix, bool fast,
             const py::str& delimiter) {
            const std::string bucket_text = utf8(bucket, "bucket");
            const std::string prefix_text = utf8(prefix, "prefix");
            const std::string delimiter_text = utf8(delimiter, "delimiter");
            auto listing = value_or_raise(without_gil(*self.duties, [&](Interrupt&) {
              return self.connector->start_list(bucket_text, prefix_text, fast, delimiter_text);
            }));
            return std::make_unique<ListingHandle>(
                bucket_text, Released<ObjectListing>(std::move(listing)), self.duties);
          },
          py::arg("bucket"), py::arg("prefix"), py::arg("fast"), py::arg("delimiter") = "")
      .def("stats",
           [](const ConnectorHandle& self) {
             return stats_dict(
                 without_gil([&](Interrupt& /*none*/) { return self.connector->stats(); }));
           })
      .def("arrived",
           [](const ConnectorHandle& self) {
             const ArrivedBytes now =
                 without_gil([&](Interrupt& /*none*/) { return self.connector->arrived(); });
             return py::make_tuple(now.placed, now.to_come, now.announced,
                                   self.connector->limited_by());
           })
      .def("close",
           [](ConnectorHandle& self) {
             const GilReleased released;
             self.connector->close();
           })
      .def(
          "after_fork_in_child",
          [](ConnectorHandle& self, const CredentialsFeed& credentials) {
            self.connector->after_fork_in_child(credentials.cache);
            self.duties->after_fork_in_child(credentials.cache);
          },
          py::arg("credentials"));
}

}  // namespace ossmc::bindings
