// For tests: a call that must fail.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "gemma3n/error.h"

namespace gemma3n {

// `call` throws an Error of that code whose message contains `part`.
inline void expect_error(ErrorCode code, const std::string& part,
                         const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

}  // namespace gemma3n
