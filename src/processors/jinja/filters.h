// The built-in filters, in two tables.   Ref: jinja2.filters
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "processors/jinja/value.h"

namespace gemma3n::jinja {

using Filter = Value (*)(Runtime&, const Value&, const Arguments&);
using FilterTable = std::map<std::string, Filter, std::less<>>;

const FilterTable& text_filters();      // text_filters.cc: of texts and numbers
const FilterTable& sequence_filters();  // sequence_filters.cc: of lists and dicts

}  // namespace gemma3n::jinja
