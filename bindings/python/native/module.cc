// The extension module: thin classes over the public C++ API, as close to it as Python allows. What
// looks like transformers is in the Python files beside it.
#include "module.h"

#include <nanobind/stl/string.h>

#include <exception>
#include <string>

#include "gemma3n/error.h"
#include "gemma3n/system.h"

namespace nb = nanobind;

namespace gemma3n::python {
namespace {

// gemma3n.Error has subclasses that are also the built-in exceptions Python users expect.
void bind_errors(nb::module_& m) {
  static nb::object classes[6];
  nb::object base = nb::steal(PyErr_NewExceptionWithDoc(
      "gemma3n.Error", "Base of all errors that the engine raises.", nullptr, nullptr));
  m.attr("Error") = base;
  const auto derived = [&](ErrorCode code, const char* name, PyObject* builtin) {
    const std::string qualified = std::string("gemma3n.") + name;
    nb::tuple bases = nb::make_tuple(base, nb::handle(builtin));
    nb::object type = nb::steal(PyErr_NewException(qualified.c_str(), bases.ptr(), nullptr));
    m.attr(name) = type;
    classes[static_cast<int>(code)] = type;
  };
  derived(ErrorCode::kInvalidArgument, "InvalidArgumentError", PyExc_ValueError);
  derived(ErrorCode::kNotFound, "NotFoundError", PyExc_FileNotFoundError);
  derived(ErrorCode::kCorruptData, "CorruptDataError", PyExc_ValueError);
  derived(ErrorCode::kUnsupported, "UnsupportedError", PyExc_NotImplementedError);
  derived(ErrorCode::kContextFull, "ContextFullError", PyExc_ValueError);
  derived(ErrorCode::kInternal, "InternalError", PyExc_RuntimeError);
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Error& e) {
      PyErr_SetString(classes[static_cast<int>(e.code())].ptr(), e.what());
    }
  });
}

}  // namespace
}  // namespace gemma3n::python

NB_MODULE(_native, m) {
  using namespace gemma3n::python;
  bind_errors(m);
  m.def("version", [] { return gemma3n::system_info().version; });
  bind_tokenizer(m);
  bind_media(m);
  bind_processors(m);
  bind_model(m);
  bind_generation(m);
}
