// Elementary functions over a vector type Vec. Included after a simd header.
#pragma once

namespace gemvec::kernels {
namespace {

// e^x, relative error below 2e-7 (a few units in the last place). x is clamped to [-87, 88], where the result
// is a normal number: e^-87 = 1.6e-38 stands for everything smaller. x = n ln 2 + r with |r| <= ln(2) / 2 =
// 0.3466; the Taylor series of e^r up to r^7 / 7! leaves 0.3466^8 / 8! = 5e-9.
inline Vec exp(Vec x) {
  x = Vec::min(Vec::max(x, Vec::set(-87.0F)), Vec::set(88.0F));
  const Vec n = Vec::round(x * Vec::set(1.44269504F));  // log2(e)
  // ln 2 in two parts: the first has 9 significant bits, so that n times it is exact for |n| <= 127.
  Vec r = Vec::fma(n, Vec::set(-0.693359375F), x);
  r = Vec::fma(n, Vec::set(2.12194440e-4F), r);  // 0.693359375 - ln 2
  Vec sum = Vec::set(1.0F / 5040);
  sum = Vec::fma(sum, r, Vec::set(1.0F / 720));
  sum = Vec::fma(sum, r, Vec::set(1.0F / 120));
  sum = Vec::fma(sum, r, Vec::set(1.0F / 24));
  sum = Vec::fma(sum, r, Vec::set(1.0F / 6));
  sum = Vec::fma(sum, r, Vec::set(0.5F));
  sum = Vec::fma(sum, r, Vec::set(1.0F));
  sum = Vec::fma(sum, r, Vec::set(1.0F));
  return sum * Vec::pow2(n);
}

}  // namespace
}  // namespace gemvec::kernels
