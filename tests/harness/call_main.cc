#include "call_child.h"

int main(int argc, char** argv) {
  return conformance::TestOrChildMain(argc, argv);
}
