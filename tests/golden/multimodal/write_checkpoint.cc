// write_checkpoint CONFIG FOLDER: weights of a formula for a whole model, for tests of the program.
#include <fstream>
#include <iostream>

#include "formula_checkpoint.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "expected CONFIG FOLDER\n";
    return 2;
  }
  std::ifstream file(argv[1]);
  gemma3n::golden::write_formula_checkpoint(nlohmann::json::parse(file), argv[2]);
  return 0;
}
