// Memory whose end touches a page that nobody may read or write: one element too far ends the test.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <type_traits>

namespace gemvec::testing {

// `count` elements of T. They begin where their end allows: a number of bytes that is a multiple of 64 makes
// them 64-byte aligned. Throws std::runtime_error when there is no memory: a test has nothing to recover.
template <class T>
class GuardedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit GuardedBuffer(std::size_t count, T fill = T{}) : count_(count) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t pages = (count * sizeof(T) + page - 1) / page;
    mapped_ = (pages + 1) * page;
    base_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::runtime_error("cannot map memory for a GuardedBuffer");
    std::byte* const guard = static_cast<std::byte*>(base_) + pages * page;
    if (::mprotect(guard, page, PROT_NONE) != 0) {
      ::munmap(base_, mapped_);
      throw std::runtime_error("cannot protect the last page of a GuardedBuffer");
    }
    data_ = reinterpret_cast<T*>(guard - count * sizeof(T));
    this->fill(fill);
  }
  ~GuardedBuffer() { ::munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  void fill(T value) { std::fill_n(data_, count_, value); }

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  std::size_t count_;
  std::size_t mapped_ = 0;
  void* base_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace gemvec::testing
