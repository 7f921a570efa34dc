#include "posix/file_system.h"

#include <sys/stat.h>

#include <algorithm>

namespace varve::posix {
namespace {

// Numbers are fetched by so many: one round trip in 16384 creates; what is left at the end is never
// used.
constexpr uint64_t kNumbersAtOnce = 16384;

}  // namespace

Result<void> check_name(std::string_view name) {
  if (name.empty()) return Error(Code::kInvalid, "a name is empty");
  if (name.size() > kNameBytesMax)
    return Error(Code::kNameTooLong, "the name '" + std::string(name.substr(0, 32)) +
                                         "...' is longer than " + std::to_string(kNameBytesMax) +
                                         " bytes");
  if (name == "." || name == "..")
    return Error(Code::kInvalid, "'" + std::string(name) + "' is not the name of an entry");
  if (name.find('/') != name.npos || name.find('\0') != name.npos)
    return Error(Code::kInvalid,
                 "the name '" + std::string(name) + "' contains '/' or NUL: give one component");
  return {};
}

Error no_such_entry(std::string_view name) {
  return Error(Code::kNonexistent, "'" + std::string(name) + "': no such file or directory");
}

// All but the root's id.
Result<SuperblockRecord> FileSystem::superblock_of(const FormatOptions& options) {
  SuperblockRecord superblock;
  superblock.mode = options.mode;
  superblock.chunk_bytes = options.chunk_bytes ? options.chunk_bytes : kDefaultChunkBytes;
  superblock.file_class = options.file_class ? options.file_class : kDefaultFileClass;
  superblock.directory_class =
      options.directory_class ? options.directory_class : kDefaultDirectoryClass;
  if (superblock.chunk_bytes > kChunkBytesMax)
    return Error(Code::kInvalid, "the chunk size is above 1 GiB: choose a smaller one");
  if (options.hints.size() >= sizeof superblock.hints)
    return Error(Code::kInvalid, "the hints are longer than 127 bytes");
  std::memcpy(superblock.hints, options.hints.data(), options.hints.size());
  VARVE_CHECK(placement::class_by_id(superblock.file_class));
  superblock.lease_ms = options.lease_ms;
  return superblock;
}

Task<Result<void>> FileSystem::format(Session& session, client::Container container,
                                      FormatOptions options) {
  VARVE_CO_TRY(SuperblockRecord superblock, superblock_of(options));
  VARVE_CO_TRY(const placement::ObjectClass directory_class,
               placement::class_by_id(superblock.directory_class));

  Inode root;
  root.mode = S_IFDIR | (options.root_permissions & 07777);
  root.uid = options.uid;
  root.gid = options.gid;
  root.oid = root_oid(directory_class);
  root.mtime_ns = root.ctime_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  superblock.root_low = root.oid.low;
  superblock.root_high = root.oid.high;

  VARVE_CO_TRY(const client::Object object, session.open_object(container, superblock_oid()));
  const Buffer inode = encode_inode(root);
  const ByteView values[] = {bytes_of(superblock), inode};
  client::IoDescriptor descriptors[] = {single_value(kSuperblockKey, values[0]),
                                        single_value(kInodeKey, values[1])};
  Result<Epoch> stored =
      co_await session.update(object, as_bytes(kRootName), store::kCondDkeyInsert, descriptors);
  if (stored.code() == Code::kExists)
    co_return Error(Code::kExists,
                    "container " + container->uuid.to_string() + " has a file system already");
  if (!stored) co_return std::move(stored.error());
  co_return Result<void>();
}

Task<Result<std::shared_ptr<FileSystem>>> FileSystem::mount(Session& session,
                                                            client::Container container,
                                                            MountOptions options) {
  auto file_system = std::make_shared<FileSystem>();
  if (options.snapshot != kEpochMax) options.writable = false;
  file_system->container_ = container;
  file_system->mount_ = options;
  for (auto& byte : file_system->mount_id_.bytes)
    byte = static_cast<std::remove_reference_t<decltype(byte)>>(session.executor().random().next());
  VARVE_CO_TRY(client::Object object, file_system->open_object(session, superblock_oid()));
  auto superblock_directory = std::make_shared<Directory>();
  superblock_directory->object = std::move(object);

  Buffer room(sizeof(InodeRecord));
  for (bool formatted = false;; formatted = true) {
    EntryFetch fetch(room, true);
    VARVE_CO_CHECK(co_await session.fetch(superblock_directory->object, as_bytes(kRootName), 0,
                                          fetch.descriptors()));
    Result<SuperblockRecord> superblock = fetch.superblock();
    if (superblock.code() == Code::kNonexistent && options.format_if_empty && options.writable &&
        !formatted) {
      FormatOptions format_options;
      format_options.uid = options.uid;
      format_options.gid = options.gid;
      Result<void> made = co_await format(session, container, std::move(format_options));
      if (!made && made.code() != Code::kExists) co_return std::move(made.error());
      continue;
    }
    if (superblock.code() == Code::kNonexistent)
      co_return Error(Code::kNonexistent, "container " + container->uuid.to_string() +
                                              " holds no file system; create it with type POSIX");
    if (!superblock) co_return std::move(superblock.error());
    file_system->superblock_ = *superblock;
    VARVE_CO_TRY(Inode inode, fetch.inode(kRootName));
    if (!inode.is_directory()) co_return Error(Code::kBadFormat, "the root is no directory");
    VARVE_CO_TRY(file_system->root_,
                 file_system->make_node(session, superblock_directory, kRootName, std::move(inode),
                                        options.writable));
    // Without room for it: what it has open is not protected, but one can make room.
    const Result<void> announced = co_await file_system->announce(session);
    if (!announced && announced.code() != Code::kNoSpace) co_return announced.error();
    if (options.writable) {
      file_system->next_quota_look_.store(0);
      VARVE_CO_CHECK(co_await file_system->look_for_quotas(session));
    }
    co_return file_system;
  }
}

Result<void> FileSystem::require_writable() const {
  if (mount_.writable) return {};
  return Error(Code::kReadOnly, "the file system is mounted read-only");
}

Result<client::Object> FileSystem::open_object(Session& session, ObjectId oid) const {
  VARVE_TRY(client::Object object, session.open_object(container_, oid));
  object.snapshot = mount_.snapshot;
  return object;
}

Result<DirectoryPtr> FileSystem::directory_at(Session& session, DirectoryPtr parent,
                                              std::string_view name, const Inode& inode) const {
  auto directory = std::make_shared<Directory>();
  VARVE_TRY(directory->object, open_object(session, inode.oid));
  directory->parent = std::move(parent);
  directory->name = name;
  directory->chunk_bytes = inode.chunk_bytes;
  directory->file_class = inode.file_class;
  directory->directory_class = inode.directory_class;
  return DirectoryPtr(std::move(directory));
}

Task<Result<uint64_t>> FileSystem::allocate_number(Session& session) {
  {
    const std::scoped_lock lock(numbers_mutex_);
    if (next_number_ < numbers_end_) co_return next_number_++;
  }
  VARVE_CO_TRY(const uint64_t first,
               co_await session.allocate_object_ids(container_, kNumbersAtOnce));
  const std::scoped_lock lock(numbers_mutex_);
  // Another session may have brought a range meanwhile: the shorter rest is given up.
  next_number_ = first + 1;
  numbers_end_ = first + kNumbersAtOnce;
  co_return first;
}

Task<Result<Inode>> FileSystem::new_inode(Session& session, const Directory& parent,
                                          OpenOptions options) {
  Inode inode;
  inode.mode = options.mode & (S_IFMT | 07777);
  inode.uid = mount_.uid;
  inode.gid = mount_.gid;
  inode.mtime_ns = inode.ctime_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  const auto first_of = [](auto... values) {
    std::common_type_t<decltype(values)...> chosen = 0;
    ((chosen = chosen ? chosen : values), ...);
    return chosen;
  };
  if (inode.is_link()) {
    if (options.target.empty())
      co_return Error(Code::kInvalid, "the target of a symbolic link is empty");
    if (options.target.size() >= kPathBytesMax)
      co_return Error(Code::kNameTooLong,
                      "the target of a symbolic link is longer than 4095 bytes");
    inode.target = options.target;
    co_return inode;
  }
  if (!inode.is_file() && !inode.is_directory())
    co_return Error(Code::kNotSupported, "only files, directories and symbolic links can be made");
  const uint32_t class_id =
      inode.is_file()
          ? first_of(options.object_class, parent.file_class, superblock_.file_class)
          : first_of(options.object_class, parent.directory_class, superblock_.directory_class);
  VARVE_CO_TRY(const placement::ObjectClass object_class, placement::class_by_id(class_id));
  VARVE_CO_TRY(const uint64_t number, co_await allocate_number(session));
  if (inode.is_file()) {
    inode.oid = file_oid(number, object_class);
    inode.chunk_bytes = first_of(options.chunk_bytes, parent.chunk_bytes, superblock_.chunk_bytes);
    if (inode.chunk_bytes > kChunkBytesMax)
      co_return Error(Code::kInvalid, "the chunk size is above 1 GiB: choose a smaller one");
  } else {
    inode.oid = directory_oid(number, object_class);
    inode.chunk_bytes = first_of(options.chunk_bytes, parent.chunk_bytes);
    inode.file_class = parent.file_class;
    inode.directory_class = parent.directory_class;
  }
  co_return inode;
}

Task<Result<void>> FileSystem::insert(Session& session, const Directory& parent,
                                      std::string_view name, const Inode& inode) {
  static constexpr std::byte kOccupied{1};
  const Buffer record = encode_inode(inode);
  const ByteView values[] = {record, {&kOccupied, 1}};
  client::IoDescriptor descriptors[] = {single_value(kInodeKey, values[0]),
                                        single_value(kOccupiedKey, values[1])};
  const std::span<client::IoDescriptor> stored_records(descriptors, inode.is_directory() ? 2 : 1);
  for (int attempt = 0; attempt < 4; ++attempt) {
    Result<Epoch> stored = co_await session.update(parent.object, as_bytes(name),
                                                   store::kCondDkeyInsert, stored_records);
    if (stored) co_return Result<void>();
    if (stored.code() != Code::kExists) co_return std::move(stored.error());
    // It may be what a rename left that was cut off: looking at it finishes that.
    const Result<Inode> there = co_await entry(session, parent, name);
    if (there.code() != Code::kNonexistent) break;
  }
  co_return Error(Code::kExists, "'" + std::string(name) + "' exists already");
}

}  // namespace varve::posix
