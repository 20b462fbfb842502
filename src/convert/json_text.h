// JSON for people: indented, in the order in which it was put together.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace gemvec::convert {

// Two spaces a level; an array of plain values on one line. Ends in a newline.
std::string indented(const boost::json::value& value);

}  // namespace gemvec::convert
