// Ctrl-C while an answer is being made: stop the answer, keep what was said.
#pragma once

namespace gemma3n::cli {

// While one lives, SIGINT sets a flag instead of ending the process. Not nested.
class InterruptScope {
 public:
  enum class Second { kEndsTheProgram, kIsIgnored };  // what another Ctrl-C does
  explicit InterruptScope(Second second);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool requested() const;
};

}  // namespace gemma3n::cli
