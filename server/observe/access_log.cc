#include "server/observe/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <string_view>

namespace gemvec::server {

namespace {

constexpr std::size_t kLines = 8192;        // that wait at most; then the oldest are lost
constexpr std::size_t kMaxPathBytes = 200;  // longer ones are nobody's route

// Printable ASCII stays; anything else could move a terminal's cursor or break a line.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxPathBytes)) out.push_back(c >= ' ' && c < '\x7F' ? c : '?');
  return out;
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     since.count() % 1000);
}

std::string json_line(const Exchange& exchange, double milliseconds) {
  const boost::json::object line = {{"timestamp", timestamp()},
                                    {"level", "INFO"},
                                    {"method", plain(exchange.request.method)},
                                    {"path", plain(exchange.request.path)},
                                    {"status", exchange.status},
                                    {"bytes", exchange.bytes},
                                    {"duration_ms", milliseconds},
                                    {"remote", exchange.request.remote},
                                    {"request_id", plain(exchange.request.id)}};
  return boost::json::serialize(line);
}

std::string plain_line(const Exchange& exchange, double milliseconds) {
  return fmt::format("{} {} {} {} {} {} B {:.1f} ms {}", timestamp(), exchange.request.remote,
                     plain(exchange.request.method), plain(exchange.request.path), exchange.status,
                     exchange.bytes, milliseconds, plain(exchange.request.id));
}

}  // namespace

struct AccessLog::Impl {
  bool json;
  std::shared_ptr<spdlog::details::thread_pool> thread =
      std::make_shared<spdlog::details::thread_pool>(kLines, 1);
  std::shared_ptr<spdlog::async_logger> logger =
      std::make_shared<spdlog::async_logger>("access", std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                                             thread, spdlog::async_overflow_policy::overrun_oldest);
};

AccessLog::AccessLog(bool json) : impl_(std::make_unique<Impl>(Impl{json})) {
  impl_->logger->set_pattern("%v");
  impl_->logger->set_error_handler(
      [](const std::string&) {});  // a full disk: the line is lost, and that is all
}

// The thread ends, with all that waits written, before the logger that it uses goes.
AccessLog::~AccessLog() { impl_->thread.reset(); }

void AccessLog::write(const Exchange& exchange) {
  const double milliseconds = std::chrono::duration<double, std::milli>(exchange.duration).count();
  impl_->logger->info("{}",
                      impl_->json ? json_line(exchange, milliseconds) : plain_line(exchange, milliseconds));
}

}  // namespace gemvec::server
