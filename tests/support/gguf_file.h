// GGUF files put together byte by byte, good ones and broken ones.
//
//   GgufFile file;
//   file.set("general.architecture", gguf_text("bert"));
//   file.tensors.push_back({"x", {32, 2}, 8, std::string(68, '\0')});
//   file.bytes();
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemvec::testing {

template <class T>
std::string gguf_raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::string gguf_string(std::string_view text) {
  return gguf_raw<std::uint64_t>(text.size()) + std::string(text);
}

// Values with their type before them.
inline std::string gguf_u32(std::uint32_t value) { return gguf_raw<std::uint32_t>(4) + gguf_raw(value); }
inline std::string gguf_i32(std::int32_t value) { return gguf_raw<std::uint32_t>(5) + gguf_raw(value); }
inline std::string gguf_f32(float value) { return gguf_raw<std::uint32_t>(6) + gguf_raw(value); }
inline std::string gguf_bool(bool value) { return gguf_raw<std::uint32_t>(7) + gguf_raw(value); }
inline std::string gguf_text(std::string_view text) { return gguf_raw<std::uint32_t>(8) + gguf_string(text); }

// An array of elements that are bytes already.
inline std::string gguf_array(std::uint32_t type, const std::vector<std::string>& elements) {
  std::string bytes = gguf_raw<std::uint32_t>(9) + gguf_raw(type) + gguf_raw<std::uint64_t>(elements.size());
  for (const std::string& element : elements) bytes += element;
  return bytes;
}
inline std::string gguf_texts(const std::vector<std::string>& texts) {
  std::vector<std::string> elements;
  for (const std::string& text : texts) elements.push_back(gguf_string(text));
  return gguf_array(8, elements);
}
template <class T>
std::string gguf_numbers(std::uint32_t type, const std::vector<T>& numbers) {
  std::vector<std::string> elements;
  for (const T number : numbers) elements.push_back(gguf_raw(number));
  return gguf_array(type, elements);
}

struct GgufFile {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;  // the dimension that runs fastest comes first
    std::uint32_t type = 0;
    std::string bytes;
    std::int64_t shift = 0;  // of its offset, away from where its bytes are
  };
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;                           // of the bytes; the key is the test's to set
  std::vector<std::pair<std::string, std::string>> keys;  // and values, with their type
  std::vector<Tensor> tensors;

  void set(std::string_view key, std::string value) {
    for (auto& [known, old] : keys) {
      if (known == key) {
        old = std::move(value);
        return;
      }
    }
    keys.emplace_back(key, std::move(value));
  }
  void remove(std::string_view key) {
    std::erase_if(keys, [&](const auto& entry) { return entry.first == key; });
  }
  // nullptr if there is none.
  Tensor* find(std::string_view name) {
    for (Tensor& tensor : tensors) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }

  [[nodiscard]] std::string aligned(std::string bytes) const {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes;
  }

  // `boundaries`, if given, gets every place where a field ends.
  [[nodiscard]] std::string bytes(std::vector<std::size_t>* boundaries = nullptr) const {
    std::string out;
    const auto put = [&](const std::string& field) {
      out += field;
      if (boundaries != nullptr) boundaries->push_back(out.size());
    };
    put(magic);
    put(gguf_raw(version));
    put(gguf_raw<std::uint64_t>(tensors.size()));
    put(gguf_raw<std::uint64_t>(keys.size()));
    for (const auto& [key, value] : keys) {
      put(gguf_string(key).substr(0, 8));
      put(key);
      put(value.substr(0, 4));
      put(value.substr(4));
    }
    std::string data;
    for (const Tensor& tensor : tensors) {
      put(gguf_string(tensor.name));
      put(gguf_raw(static_cast<std::uint32_t>(tensor.shape.size())));
      for (const std::uint64_t size : tensor.shape) put(gguf_raw(size));
      put(gguf_raw(tensor.type));
      put(gguf_raw(data.size() + static_cast<std::uint64_t>(tensor.shift)));
      data = aligned(data + tensor.bytes);
    }
    out = aligned(out);
    return out + data;
  }
};

}  // namespace gemvec::testing
