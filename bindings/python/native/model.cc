#include "module.h"

namespace nb = nanobind;

namespace gemma3n::python {

void bind_model(nb::module_&) {}

}  // namespace gemma3n::python
