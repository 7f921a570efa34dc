// What the examples share: a container of their own, and a check.
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <varve/varve.h>

// Ends the program where what must be is not.
inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

// A container that goes away with it.
class Scratch {
 public:
  Scratch(int argc, char** argv, const char* name)
      : client(varve::Client::open().or_throw()),
        pool(client.connect(argc > 1 ? argv[1] : "tank").get().or_throw()),
        label_(std::string(name) + "-" + std::to_string(getpid())) {
    pool.create_container(label_).get().or_throw();
    container = pool.open_container(label_).get().or_throw();
  }
  ~Scratch() {
    (void)container.close().get();
    (void)pool.destroy_container(label_, true).get();
  }
  varve::Client client;
  varve::Pool pool;
  varve::Container container;

 private:
  std::string label_;
};

// Runs an example and says how it went.
template <class Example>
int run_example(int argc, char** argv, const char* name, Example example) {
  try {
    Scratch scratch(argc, argv, name);
    example(scratch);
  } catch (const varve::Exception& failed) {
    std::fprintf(stderr, "%s: %s\n", name, failed.what());
    return 1;
  }
  std::printf("%s: all as expected\n", name);
  return 0;
}

#endif  // EXAMPLE_H
