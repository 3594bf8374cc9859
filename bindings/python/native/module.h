// The parts of the extension module, one for each public header.
#pragma once

#include <nanobind/nanobind.h>

namespace gemma3n::python {

void bind_tokenizer(nanobind::module_& m);   // tokenizer.h, chat.h
void bind_media(nanobind::module_& m);       // media.h
void bind_processors(nanobind::module_& m);  // processor.h
void bind_model(nanobind::module_& m);       // model.h
void bind_generation(nanobind::module_& m);  // generation.h

}  // namespace gemma3n::python
