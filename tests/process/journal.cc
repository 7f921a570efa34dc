#include "journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace varve::process {

Journal::~Journal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Journal::open(const std::string& path, Plan& plan, std::string& error) {
  const Plan wanted = plan;
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    error = "journal '" + path + "': " + std::strerror(errno);
    return false;
  }
  struct stat stat {};
  ::fstat(descriptor_, &stat);
  if (stat.st_size == 0) return ::write(descriptor_, &wanted, sizeof wanted) == sizeof wanted;
  if (::pread(descriptor_, &plan, sizeof plan, 0) != sizeof plan || plan.magic != wanted.magic) {
    error = "journal '" + path + "' is no journal; name a new file";
    return false;
  }
  const off_t torn = (stat.st_size - static_cast<off_t>(sizeof plan)) % sizeof(Record);
  return torn == 0 || ::ftruncate(descriptor_, stat.st_size - torn) == 0;
}

bool Journal::load(const std::string& path, Plan& plan, std::vector<Record>& records,
                   std::string& error) {
  FILE* file = std::fopen(path.c_str(), "rb");
  if (!file) {
    error = "journal '" + path + "': " + std::strerror(errno);
    return false;
  }
  const uint64_t magic = Plan().magic;
  const bool good = std::fread(&plan, sizeof plan, 1, file) == 1 && plan.magic == magic;
  Record record;
  while (good && std::fread(&record, sizeof record, 1, file) == 1) records.push_back(record);
  std::fclose(file);
  if (!good) error = "journal '" + path + "' is no journal";
  return good;
}

void Journal::append(const Record* records, size_t count) {
  const size_t bytes = count * sizeof(Record);
  if (::write(descriptor_, records, bytes) == static_cast<ssize_t>(bytes)) return;
  std::fprintf(stderr, "writer: the journal cannot be written: %s\n", std::strerror(errno));
  std::abort();
}

}  // namespace varve::process
