#include "prefetch/read_chunks.h"

#include <cassert>

namespace ossmc {

void ReadChunks::add(ObjectStream& stream, std::uint64_t index) {
  Object& object = objects_[stream.sequence()];
  const Key key{true, ++last_time_};
  const std::uint64_t bytes = stream.slot(index).chunk.ticket_bytes();
  const bool is_new = object.keys.emplace(index, key).second;
  assert(is_new);
  static_cast<void>(is_new);
  entries_.emplace(key, Entry{StreamLink(&stream), index, bytes});
  bytes_ += bytes;
  object.kept.emplace(key.second, index);
  object.kept_bytes += bytes;
  if (object.keeps_all) return;
  kept_bytes_ += bytes;
  while (object.kept_bytes > most_.of_object) make_spare(object, object.kept.begin()->first);
  // Of objects that keep all there may be older ones.
  auto oldest = entries_.lower_bound({true, 0});
  while (kept_bytes_ > most_.in_all && oldest != entries_.end()) {
    const std::uint64_t time = oldest->first.second;
    Object& of = objects_.at(oldest->second.stream->sequence());
    ++oldest;
    if (!of.keeps_all) make_spare(of, time);
  }
}

bool ReadChunks::contains(const ObjectStream& stream, std::uint64_t index) const {
  const auto object = objects_.find(stream.sequence());
  return object != objects_.end() && object->second.keys.contains(index);
}

void ReadChunks::remove(const ObjectStream& stream, std::uint64_t index) {
  const auto found = objects_.find(stream.sequence());
  if (found == objects_.end()) return;
  Object& object = found->second;
  const auto key = object.keys.find(index);
  if (key == object.keys.end()) return;
  const auto entry = entries_.find(key->second);
  bytes_ -= entry->second.bytes;
  uncount(object, key->second, entry->second.bytes);
  entries_.erase(entry);
  object.keys.erase(key);
  if (object.keys.empty() && !object.keeps_all) objects_.erase(found);
}

void ReadChunks::keep_all(const ObjectStream& stream) {
  Object& object = objects_[stream.sequence()];
  if (object.keeps_all) return;
  kept_bytes_ -= object.kept_bytes;
  object.keeps_all = true;
  for (auto& [index, key] : object.keys) {
    if (key.first) continue;
    auto node = entries_.extract(key);
    key.first = true;
    node.key() = key;
    object.kept.emplace(key.second, index);
    object.kept_bytes += node.mapped().bytes;
    entries_.insert(std::move(node));
  }
}

void ReadChunks::append_chunks_of(const ObjectStream& stream,
                                  std::vector<std::uint64_t>* indices) const {
  const auto object = objects_.find(stream.sequence());
  if (object == objects_.end()) return;
  for (const auto& [index, key] : object->second.keys) indices->push_back(index);
}

void ReadChunks::make_spare(Object& object, std::uint64_t time) {
  const std::uint64_t index = object.kept.at(time);
  auto node = entries_.extract(Key{true, time});
  uncount(object, {true, time}, node.mapped().bytes);
  node.key() = object.keys.at(index) = {false, time};
  entries_.insert(std::move(node));
}

void ReadChunks::uncount(Object& object, const Key& key, std::uint64_t bytes) {
  if (!key.first) return;
  object.kept.erase(key.second);
  object.kept_bytes -= bytes;
  if (!object.keeps_all) kept_bytes_ -= bytes;
}

}  // namespace ossmc
