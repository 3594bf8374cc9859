#include "module.h"

namespace nb = nanobind;

namespace gemma3n::python {

void bind_generation(nb::module_&) {}

}  // namespace gemma3n::python
