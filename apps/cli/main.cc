// gemma3n: the command line program. One table of subcommands, one place where errors end.
#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "commands.h"
#include "gemma3n/error.h"
#include "gemma3n/system.h"
#include "messages.h"
#include "output.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands = {
      {"run", "Answer one prompt.", declare_run},
      {"chat", "Hold a conversation.", declare_chat},
      {"transcribe", "Write down what is said in sounds.", declare_transcribe},
      {"eval", "Count right answers to a list of questions, or measure perplexity.", declare_eval},
      {"tokenize", "Turn text into token ids, or ids into text.", declare_tokenize},
      {"inspect", "List the tensors of a checkpoint and describe its architecture.",
       declare_inspect},
      {"quantize", "Write a checkpoint with weights of 8 or 4 bits.", declare_quantize_command},
      {"slice", "Write a smaller model that is part of a larger one.", declare_slice},
      {"sizes", "List the smaller models inside a model.", declare_sizes},
      {"info", "Describe this program and this machine.", declare_info},
      {"bench", "Time the model, and compare it with what the machine can do.", declare_bench},
  };
  return kCommands;
}

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
constexpr int kExitInternal = 70;
constexpr int kExitClosedPipe = 128 + SIGPIPE;

constexpr const char* kExitCodes = R"(Exit codes:
  0    done
  1    a file is missing, damaged or not supported; the prompt does not fit in the
       context; memory ran out; the result could not be written
  2    the command line or the request is wrong
  3    bench --compare: a case is slower than it was
  70   a bug in gemma3n
  130  interrupted with Ctrl-C
  141  whoever read the output closed it
)";

constexpr const char* kExamples = R"(Examples:
  gemma3n run "What does a cow say?"
  gemma3n run gemma-3n-E2B-it "Why is the sky blue?"
  gemma3n run gemma-3n-E2B-it --json --max-tokens 100 < question.txt
  gemma3n run gemma-3n-E2B-it --image cat.jpg "What is in this picture?"
  gemma3n transcribe gemma-3n-E2B-it speech.mp3
  gemma3n eval gemma-3n-E2B-it questions.jsonl --results answers.jsonl
  gemma3n quantize gemma-3n-E2B-it gemma-3n-E2B-it-q4
  gemma3n chat gemma-3n-E2B-it --system "Answer in French."
)";

std::string program_help() {
  std::vector<std::vector<std::string>> rows;
  for (const auto& command : commands()) rows.push_back({"  " + command.name, command.summary});
  return "Runs Google's Gemma 3n models on the CPU: text, pictures and sounds in, text out.\n"
         "Usage: gemma3n COMMAND [OPTIONS] ...\n\n"
         "Commands:\n" +
         format_table({Align::kLeft, Align::kLeft}, rows) +
         "\n\"gemma3n COMMAND --help\" tells all about a command.\n"
         "  --help, -h   print this text\n"
         "  --version    print the version\n\n"
         "MODEL is a folder with a checkpoint as Hugging Face publishes it: config.json,\n"
         "*.safetensors, tokenizer.json; run and chat use a demonstration model, a toy, if it is\n"
         "absent. Results go to standard output; progress, warnings and errors go to standard "
         "error.\n"
         "\n" +
         kExamples + "\n" + kExitCodes;
}

int run_program(const std::vector<std::string>& arguments, Output& out) {
  if (arguments.empty()) {
    fail(ErrorCode::kInvalidArgument, "expected a command; see gemma3n --help");
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    out.write(program_help());
    return 0;
  }
  if (name == "--version") {
    out.write("gemma3n " + system_info().version + "\n");
    return 0;
  }
  for (const auto& command : commands()) {
    if (command.name == name) {
      return parse_options(command, {arguments.begin() + 1, arguments.end()})(out);
    }
  }
  fail(ErrorCode::kInvalidArgument, "no such command: '", name, "'; see gemma3n --help");
}

// The table of errors and exit codes; see kExitCodes.
int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kInternal:
      return kExitInternal;
    case ErrorCode::kNotFound:
    case ErrorCode::kCorruptData:
    case ErrorCode::kUnsupported:
    case ErrorCode::kContextFull:
      return kExitFailure;
  }
  return kExitInternal;
}

// What was already written stays; the message starts on a line of its own.
void finish_partial_output(Output& out) {
  try {
    if (out.is_terminal() && !out.at_line_start()) out.write("\n");
    out.close();
  } catch (const std::exception&) {
    // The first error is the one worth telling.
  }
}

int guarded_main(const std::vector<std::string>& arguments, Output& out) {
  try {
    const int code = run_program(arguments, out);
    out.close();
    return code;
  } catch (const ClosedPipe&) {
    return kExitClosedPipe;
  } catch (const OutputError& error) {
    print_error(error.what());
    return kExitFailure;
  } catch (const Error& error) {
    finish_partial_output(out);
    print_error(error.what());
    return exit_code(error.code());
  } catch (const std::bad_alloc&) {
    finish_partial_output(out);
    print_error("out of memory");
    return kExitFailure;
  } catch (const std::exception& error) {
    finish_partial_output(out);
    print_error(std::string("internal error: ") + error.what());
    return kExitInternal;
  }
}

}  // namespace
}  // namespace gemma3n::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // writing to a closed pipe is an error that Output sees
  gemma3n::cli::Output out(STDOUT_FILENO);
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return gemma3n::cli::guarded_main(arguments, out);
}
