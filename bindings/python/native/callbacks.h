// Python callables as callbacks of the library, which runs without the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <utility>

namespace gemma3n::python {

// Throws what a signal handler raised: so Ctrl-C ends a long call. Needs the GIL.
inline void raise_signals() {
  if (PyErr_CheckSignals() != 0) throw nanobind::python_error();
}

// Frees what is only Python's with the GIL held, wherever the callback that owns it is destroyed.
class Callable {
 public:
  explicit Callable(nanobind::object function) : function_(std::move(function)) {}
  Callable(const Callable& other) {
    nanobind::gil_scoped_acquire gil;
    function_ = other.function_;
  }
  Callable& operator=(const Callable&) = delete;
  ~Callable() {
    nanobind::gil_scoped_acquire gil;
    function_.reset();
  }

  explicit operator bool() const { return function_.is_valid() && !function_.is_none(); }
  // Needs the GIL.
  const nanobind::object& get() const { return function_; }

 private:
  nanobind::object function_;
};

}  // namespace gemma3n::python
