// varve-golden FOLDER: makes the golden images of this version of the format there.
#include <cstdio>
#include <fstream>

#include "tests/golden/golden.h"

int main(int argc, char** argv) {
  using namespace varve::golden;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  for (const Golden& golden : kGoldens) {
    const auto image = make(golden);
    const auto text = describe(image);
    if (!text.ok()) {
      std::fprintf(stderr, "golden: %s\n", text.error().describe().c_str());
      return 1;
    }
    const std::string base = std::string(argv[1]) + "/" + golden.name, packed = pack(image);
    std::ofstream(base + ".img.gz", std::ios::binary) << packed;
    std::ofstream(base + ".txt") << *text;
    std::printf("golden: %s.img.gz, %zu bytes, and its text, %zu bytes\n", base.c_str(),
                packed.size(), text->size());
  }
  return 0;
}
