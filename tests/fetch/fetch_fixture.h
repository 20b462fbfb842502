// What every test of the fetcher needs: a cache of its own, an environment without surprises, a hub
// and a package index that serve the fake release.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fetch/fake_release.h"
#include "fetch/fetcher.h"
#include "fetch/http_server.h"
#include "fetch/storage.h"
#include "gemvec/fetch.h"

namespace gemvec::fetch::testing {

void write_text(const std::filesystem::path& path, const std::string& text);
std::string read_text(const std::filesystem::path& path);

class FetchTest : public ::testing::Test {
 protected:
  FetchTest();
  ~FetchTest() override;

  // Options for `endpoint` and this test's cache.
  FetchOptions options(const std::string& endpoint) const;
  // Serves fake_'s files at the hub's paths, 404 for everything else.
  Reply hub(const Request& request) const;
  std::string hub_path(const std::string& file) const;
  Layout layout() const { return {cache_, fake_.release}; }

  // Writes fake_'s wheels and a stand-in for pip; from then on release().mirror runs it.
  void make_index();
  // The versions that were asked of the stand-in, in order.
  std::vector<std::string> pip_calls() const;
  // A program that runs `script` as a shell does, with pip's arguments.
  std::vector<std::string> make_program(const std::string& name, const std::string& script) const;

  // Every file of the release is in `folder`, with its bytes, and nothing else but the marker.
  void expect_whole(const std::filesystem::path& folder) const;
  // Paths of all files below `folder`, relative to it.
  static std::vector<std::string> tree(const std::filesystem::path& folder);

  FakeRelease fake_ = make_fake_release();
  std::filesystem::path folder_, cache_, index_;

 private:
  std::map<std::string, std::string> saved_;  // environment to restore; "\1" = was not set
};

}  // namespace gemvec::fetch::testing
