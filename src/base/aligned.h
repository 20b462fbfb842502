// Memory for tensors, aligned to cache lines.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "gemvec/result.h"

namespace gemvec::base {

inline constexpr std::size_t kCacheLine = 64;  // bytes; also the width of an AVX-512 register

// `count` uninitialised elements of T. Movable, not copyable; released with the object.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;

  // Errors: kIo "out of memory" with the number of bytes.
  static Result<AlignedBuffer> create(std::size_t count) {
    AlignedBuffer buffer;
    const std::size_t bytes = (count * sizeof(T) + kCacheLine - 1) / kCacheLine * kCacheLine;
    void* data = std::aligned_alloc(kCacheLine, bytes == 0 ? kCacheLine : bytes);
    if (data == nullptr) {
      return Error{ErrorCode::kIo, "Out of memory: " + std::to_string(bytes) + " bytes were needed."};
    }
    buffer.data_.reset(static_cast<T*>(data));
    buffer.size_ = count;
    return buffer;
  }

  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace gemvec::base
