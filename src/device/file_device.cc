#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <sstream>

#include "device/device.h"
#include "device/reader.h"
#include "runtime/executor.h"

namespace varve::device {
namespace {

constexpr unsigned kRingEntries = 512;
constexpr size_t kPiecesMax = 64;  // of one write; more are joined in a buffer
// Writes that are usually durable sooner than this are polled for: to sleep and be woken would take
// half as long again.
constexpr Duration kPolledWaitMax = 250us;

class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }

 private:
  int value_;
};

// One request at the kernel. Lives in the frame of the coroutine that awaits it.
struct Operation {
  std::coroutine_handle<> coroutine;
  int result = 0;
  bool done = false;
};

class FileDevice final : public Device, private Poller {
 public:
  FileDevice(Executor& executor, std::string path, Descriptor owner, Descriptor file,
             uint64_t size_bytes, Kind kind)
      : executor_(executor),
        path_(std::move(path)),
        owner_(std::move(owner)),
        file_(std::move(file)),
        size_bytes_(size_bytes),
        kind_(kind) {}
  ~FileDevice() override {
    if (!ring_ready_) return;
    while (in_flight_ > 0) wait_for_one();
    // ~Poller takes leave of the executor, which may be gone already.
    io_uring_queue_exit(&ring_);
  }

  // Takes its place at the executor.
  Result<void> start();

  Kind kind() const override { return kind_; }
  const std::string& name() const override { return path_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  bool persistent() const override { return true; }
  Task<Result<void>> read(uint64_t offset, MutableByteView into) override;
  Task<Result<void>> write(uint64_t offset, Gather from) override {
    return write_pieces(offset, from, 0);
  }
  Task<Result<void>> write_durable(uint64_t offset, Gather from) override {
    const Instant begin = executor_.now();
    if (usual_time_ <= kPolledWaitMax) executor_.expect_within(begin + 2 * usual_time_);
    Result<void> written = co_await write_pieces(offset, from, RWF_DSYNC);
    usual_time_ += (executor_.now() - begin - usual_time_) / 8;
    co_return written;
  }
  Task<Result<void>> flush() override;
  Task<Result<void>> discard(uint64_t offset, uint64_t length) override;
  bool written_before(uint64_t offset, uint64_t length) override;

 private:
  // Suspends until the kernel has answered. Destroyed early (with its executor), it waits for the
  // kernel first: the memory is the kernel's until then.
  struct Awaiter {
    FileDevice& device;
    Operation& operation;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) { operation.coroutine = coroutine; }
    int await_resume() const { return operation.result; }
    ~Awaiter() {
      while (!operation.done) device.wait_for_one();
    }
  };

  Task<Result<void>> write_pieces(uint64_t offset, Gather from, int flags);
  bool poll() override;
  int descriptor() const override { return ring_.ring_fd; }
  bool arm() override;

  io_uring_sqe* prepare(Operation& operation);
  void submit();
  void complete(io_uring_cqe* entry);
  void wait_for_one();
  void check_range(uint64_t offset, uint64_t length) const {
    VARVE_ASSERT(offset % kBlockBytes == 0 && length % kBlockBytes == 0,
                 "device I/O is in whole blocks");
    VARVE_ASSERT(offset <= size_bytes_ && length <= size_bytes_ - offset,
                 "device I/O stays inside the device");
  }
  Error failed(const char* what, uint64_t offset, int error) const {
    return Error(error == ENOSPC ? Code::kNoSpace : Code::kIo,
                 "device " + path_ + ": " + what + " at offset " + std::to_string(offset) +
                     " failed: " + std::strerror(error) +
                     "; nothing else on it is to be trusted until it was checked");
  }

  Executor& executor_;
  std::string path_;
  // Holds the lock. Not the descriptor that the ring uses: the kernel lets go of a ring's files
  // some time after the process has ended, of this one at its end, when no request is in flight any
  // more.
  Descriptor owner_;
  Descriptor file_;
  uint64_t size_bytes_;
  Kind kind_;
  io_uring ring_{};
  bool ring_ready_ = false;
  unsigned unsubmitted_ = 0;
  uint64_t in_flight_ = 0;
  Duration usual_time_{};  // of a durable write, smoothed
};

Result<void> FileDevice::start() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CLAMP;
  int status = io_uring_queue_init_params(kRingEntries, &ring_, &parameters);
  if (status == -EINVAL) {
    parameters = io_uring_params{};
    status = io_uring_queue_init_params(kRingEntries, &ring_, &parameters);
  }
  if (status < 0)
    return Error(Code::kNotSupported, "device " + path_ + ": io_uring is refused (" +
                                          std::strerror(-status) +
                                          "); allow it (kernel.io_uring_disabled=0, seccomp)");
  ring_ready_ = true;
  const int file = file_.get();
  status = io_uring_register_files(&ring_, &file, 1);
  VARVE_ASSERT(status == 0, "a ring takes a file");
  executor_.add_poller(*this);
  return {};
}

io_uring_sqe* FileDevice::prepare(Operation& operation) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (!entry) {
    submit();
    entry = io_uring_get_sqe(&ring_);
  }
  ++unsubmitted_;
  ++in_flight_;
  operation.done = false;
  return entry;
}

void FileDevice::submit() {
  const int status = io_uring_submit(&ring_);
  if (status >= 0) {
    unsubmitted_ -= std::min(unsubmitted_, static_cast<unsigned>(status));
    return;
  }
  VARVE_ASSERT(status == -EBUSY || status == -EAGAIN || status == -EINTR,
               "the kernel takes what is queued, or says that it cannot yet");
}

void FileDevice::complete(io_uring_cqe* entry) {
  auto* operation = static_cast<Operation*>(io_uring_cqe_get_data(entry));
  operation->result = entry->res;
  operation->done = true;
  --in_flight_;
  if (operation->coroutine) executor_.ready(operation->coroutine);
  io_uring_cqe_seen(&ring_, entry);
}

void FileDevice::wait_for_one() {
  if (unsubmitted_ > 0) submit();
  io_uring_cqe* entry = nullptr;
  if (io_uring_wait_cqe(&ring_, &entry) == 0) complete(entry);
}

bool FileDevice::poll() {
  if (unsubmitted_ > 0) submit();
  if (in_flight_ == 0) return false;
  bool any = false;
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_, &entry) == 0 && entry) {
    complete(entry);
    any = true;
  }
  return any;
}

bool FileDevice::arm() {
  if (unsubmitted_ > 0) submit();
  return in_flight_ == 0 || io_uring_cq_ready(&ring_) == 0;
}

Task<Result<void>> FileDevice::read(uint64_t offset, MutableByteView into) {
  check_range(offset, into.size());
  while (!into.empty()) {
    Operation operation;
    io_uring_sqe* entry = prepare(operation);
    const auto length = static_cast<unsigned>(std::min<uint64_t>(into.size(), 1 * kGiB));
    io_uring_prep_read(entry, 0, into.data(), length, offset);
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(entry, &operation);
    const int result = co_await Awaiter{*this, operation};
    if (result == -EINTR || result == -EAGAIN) continue;
    if (result < 0) co_return failed("read", offset, -result);
    if (result == 0)
      co_return Error(Code::kIo, "device " + path_ + ": read at offset " + std::to_string(offset) +
                                     " found the end of the file: it was truncated");
    into = into.subspan(static_cast<size_t>(result));
    offset += static_cast<uint64_t>(result);
  }
  co_return {};
}

Task<Result<void>> FileDevice::write_pieces(uint64_t offset, Gather from, int flags) {
  uint64_t left = size_of(from);
  check_range(offset, left);
  VARVE_ASSERT(from.size() <= kPiecesMax, "a write has few pieces");
  iovec vectors[kPiecesMax];
  for (size_t i = 0; i < from.size(); ++i)
    vectors[i] = {const_cast<std::byte*>(from[i].data()), from[i].size()};
  size_t first = 0;
  while (left > 0) {
    Operation operation;
    io_uring_sqe* entry = prepare(operation);
    if (from.size() - first == 1 && vectors[first].iov_len <= 1 * kGiB)
      io_uring_prep_write(entry, 0, vectors[first].iov_base,
                          static_cast<unsigned>(vectors[first].iov_len), offset);
    else
      io_uring_prep_writev(entry, 0, vectors + first, static_cast<unsigned>(from.size() - first),
                           offset);
    entry->rw_flags = flags;
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(entry, &operation);
    const int result = co_await Awaiter{*this, operation};
    if (result == -EINTR || result == -EAGAIN) continue;
    if (result <= 0) co_return failed("write", offset, result < 0 ? -result : EIO);
    offset += static_cast<uint64_t>(result);
    left -= static_cast<uint64_t>(result);
    for (auto done = static_cast<size_t>(result); done > 0 && left > 0;) {
      const size_t step = std::min(done, vectors[first].iov_len);
      vectors[first].iov_base = static_cast<std::byte*>(vectors[first].iov_base) + step;
      vectors[first].iov_len -= step;
      done -= step;
      if (vectors[first].iov_len == 0) ++first;
    }
  }
  co_return {};
}

Task<Result<void>> FileDevice::flush() {
  for (;;) {
    Operation operation;
    io_uring_sqe* entry = prepare(operation);
    io_uring_prep_fsync(entry, 0, IORING_FSYNC_DATASYNC);
    entry->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(entry, &operation);
    const int result = co_await Awaiter{*this, operation};
    if (result == -EINTR || result == -EAGAIN) continue;
    if (result < 0) co_return failed("flush", 0, -result);
    co_return {};
  }
}

// Best effort: a file system or device that cannot is none the worse.
Task<Result<void>> FileDevice::discard(uint64_t offset, uint64_t length) {
  check_range(offset, length);
  if (kind_ == Kind::kBlock) {
    const uint64_t range[2] = {offset, length};
    if (ioctl(file_.get(), BLKDISCARD, range) < 0) co_return {};
    co_return {};
  }
  Operation operation;
  io_uring_sqe* entry = prepare(operation);
  io_uring_prep_fallocate(entry, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          static_cast<off_t>(offset), static_cast<off_t>(length));
  entry->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data(entry, &operation);
  co_await Awaiter{*this, operation};
  co_return {};
}

// Asks the file system's map, which is in memory mostly. One that keeps none is taken for
// unwritten.
bool FileDevice::written_before(uint64_t offset, uint64_t length) {
  if (kind_ == Kind::kBlock) return true;
  constexpr uint32_t kExtents = 32;
  alignas(fiemap) std::byte memory[sizeof(fiemap) + kExtents * sizeof(fiemap_extent)] = {};
  auto* const map = reinterpret_cast<fiemap*>(memory);
  map->fm_start = offset;
  map->fm_length = length;
  map->fm_extent_count = kExtents;
  if (ioctl(file_.get(), FS_IOC_FIEMAP, map) < 0) return false;
  uint64_t reached = offset;
  for (uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
    const fiemap_extent& extent = map->fm_extents[i];
    const uint32_t unready =
        FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC;
    if (extent.fe_logical > reached || (extent.fe_flags & unready)) return false;
    reached = extent.fe_logical + extent.fe_length;
  }
  return reached >= offset + length;
}

Error cannot(const std::string& path, const std::string& what, int error) {
  Code code = Code::kIo;
  if (error == EACCES || error == EPERM) code = Code::kNoPermission;
  if (error == ENOENT) code = Code::kNoEntry;
  if (error == ENOSPC) code = Code::kNoSpace;
  if (error == EBUSY) code = Code::kBusy;
  if (error == EINVAL) code = Code::kNotSupported;
  return Error(code, "device " + path + ": " + what + ": " + std::strerror(error));
}

// " by process 123 (name)", from /proc/locks; empty if it is not to be seen.
std::string lock_holder(const struct stat& status) {
  std::ifstream locks("/proc/locks");
  char wanted[64];
  std::snprintf(wanted, sizeof wanted, "%02x:%02x:%llu", major(status.st_dev), minor(status.st_dev),
                static_cast<unsigned long long>(status.st_ino));
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, mode, access, process, file;
    words >> number >> kind >> mode >> access >> process >> file;
    if (kind != "FLOCK" || file != wanted) continue;
    std::string program;
    std::getline(std::ifstream("/proc/" + process + "/comm"), program);
    return " by process " + process + (program.empty() ? "" : " (" + program + ")");
  }
  return {};
}

Result<void> lock(int file, const std::string& path, const struct stat& status,
                  int kind = LOCK_EX) {
  if (flock(file, kind | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return cannot(path, "it cannot be locked", errno);
  return Error(Code::kBusy, "device " + path + ": it is in use" + lock_holder(status) +
                                "; stop that server, or give another path");
}

// Names of new files survive a crash only once their directory is synchronised.
void synchronise_directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) fsync(descriptor.get());
}

Result<void> reserve_space(int file, const std::string& path, uint64_t size_bytes) {
  const int error = posix_fallocate(file, 0, static_cast<off_t>(size_bytes));
  if (error == 0) {
    if (fsync(file) != 0) return cannot(path, "it cannot be written", errno);
    synchronise_directory(path);
    return {};
  }
  struct statvfs space {};
  const bool known = fstatvfs(file, &space) == 0;
  if (ftruncate(file, 0) != 0 || unlink(path.c_str()) != 0) {
    // What is left is an empty file, which a later call fills.
  }
  if (error != ENOSPC && error != EFBIG) return cannot(path, "space cannot be reserved", error);
  return Error(
      Code::kNoSpace,
      "device " + path + ": " + std::to_string(size_bytes) + " bytes cannot be reserved, " +
          (known ? std::to_string(space.f_bavail * space.f_frsize) : std::string("fewer")) +
          " are free there; make it smaller or choose another file system");
}

Result<uint64_t> size_of_device(int file, const std::string& path, const struct stat& status) {
  if (!S_ISBLK(status.st_mode)) return static_cast<uint64_t>(status.st_size);
  uint64_t size_bytes = 0;
  if (ioctl(file, BLKGETSIZE64, &size_bytes) != 0)
    return cannot(path, "its size cannot be read", errno);
  return size_bytes;
}

}  // namespace

Result<std::unique_ptr<Device>> open_file(Executor& executor, const std::string& path,
                                          const FileOptions& options) {
  struct stat before {};
  const bool exists = stat(path.c_str(), &before) == 0;
  if (!exists && options.create_bytes == 0)
    return Error(Code::kNoEntry, "device " + path + ": " + std::strerror(errno) +
                                     "; give the path of a file or block device that exists");
  if (exists && !S_ISREG(before.st_mode) && !S_ISBLK(before.st_mode))
    return Error(Code::kInvalid, "device " + path + ": it is neither a file nor a block device");
  int flags = O_RDWR | O_CLOEXEC;
  if (exists && S_ISBLK(before.st_mode)) flags |= O_EXCL;
  if (!exists) flags |= O_CREAT;
  Descriptor owner(::open(path.c_str(), flags, 0600));
  if (owner.get() < 0 && errno == EBUSY)
    return Error(Code::kBusy, "device " + path + ": it is in use" + lock_holder(before) +
                                  " (mounted, or another server's)");
  if (owner.get() < 0) return cannot(path, "it cannot be opened", errno);
  struct stat status {};
  if (fstat(owner.get(), &status) != 0) return cannot(path, "it cannot be examined", errno);
  VARVE_CHECK(lock(owner.get(), path, status));
  const bool is_block = S_ISBLK(status.st_mode);
  if (!is_block && status.st_size == 0 && options.create_bytes > 0) {
    VARVE_CHECK(reserve_space(owner.get(), path, round_up(options.create_bytes, kBlockBytes)));
    if (fstat(owner.get(), &status) != 0) return cannot(path, "it cannot be examined", errno);
  }
  VARVE_TRY(const uint64_t size_bytes, size_of_device(owner.get(), path, status));
  Descriptor file(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  if (file.get() < 0 && errno == EINVAL)
    return Error(Code::kNotSupported,
                 "device " + path + ": its file system has no direct I/O; use ext4 or xfs");
  if (file.get() < 0) return cannot(path, "it cannot be opened", errno);
  auto device = std::make_unique<FileDevice>(executor, path, std::move(owner), std::move(file),
                                             round_down(size_bytes, kBlockBytes),
                                             is_block ? Kind::kBlock : Kind::kFile);
  VARVE_CHECK(device->start());
  return std::unique_ptr<Device>(std::move(device));
}

namespace {

class FileReader final : public Reader {
 public:
  FileReader(std::string path, Descriptor file, uint64_t size_bytes)
      : path_(std::move(path)), file_(std::move(file)), size_bytes_(size_bytes) {}
  const std::string& name() const override { return path_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  Result<void> read(uint64_t offset, MutableByteView into) override {
    while (!into.empty()) {
      const ssize_t got = pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        return Error(Code::kIo,
                     "device " + path_ + ": read at offset " + std::to_string(offset) +
                         " failed: " + (got < 0 ? std::strerror(errno) : "it ends before"));
      offset += static_cast<uint64_t>(got);
      into = into.subspan(static_cast<size_t>(got));
    }
    return {};
  }

 private:
  std::string path_;
  Descriptor file_;
  uint64_t size_bytes_;
};

class MemoryReader final : public Reader {
 public:
  MemoryReader(std::string name, ByteView bytes) : name_(std::move(name)), bytes_(bytes) {}
  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return bytes_.size(); }
  Result<void> read(uint64_t offset, MutableByteView into) override {
    if (offset > bytes_.size() || into.size() > bytes_.size() - offset)
      return Error(Code::kIo, "device " + name_ + ": read at offset " + std::to_string(offset) +
                                  " failed: it ends before");
    std::memcpy(into.data(), bytes_.data() + offset, into.size());
    return {};
  }

 private:
  std::string name_;
  ByteView bytes_;
};

}  // namespace

Result<std::unique_ptr<Reader>> open_for_reading(const std::string& path, Sharing sharing) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return cannot(path, "it cannot be opened", errno);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return cannot(path, "it cannot be examined", errno);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
    return Error(Code::kInvalid, "device " + path + ": it is neither a file nor a block device");
  if (sharing == Sharing::kAlone) VARVE_CHECK(lock(file.get(), path, status, LOCK_SH));
  VARVE_TRY(const uint64_t size_bytes, size_of_device(file.get(), path, status));
  return std::unique_ptr<Reader>(std::make_unique<FileReader>(path, std::move(file), size_bytes));
}

std::unique_ptr<Reader> read_memory(std::string name, ByteView bytes) {
  return std::make_unique<MemoryReader>(std::move(name), bytes);
}

}  // namespace varve::device
