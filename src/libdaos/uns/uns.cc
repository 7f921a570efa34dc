// daos_uns.h: paths that stand for containers. A directory or file of the host carries the name of
// its container in an extended attribute, "DAOS.TYPE://POOL/CONTAINER"; daos://POOL/CONTAINER/PATH
// names one outright. Functions return 0 or an errno.
#include "daos_uns.h"

#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view kScheme = "daos://";
constexpr std::string_view kAttributePrefix = "DAOS.";

int errno_of(int error) {
  switch (error) {
    case 0:
      return 0;
    case -DER_NONEXIST:
      return ENOENT;
    case -DER_EXIST:
      return EEXIST;
    case -DER_NO_PERM:
      return EACCES;
    case -DER_INVAL:
      return EINVAL;
    case -DER_NOSPACE:
      return ENOSPC;
    case -DER_NO_HDL:
      return EBADF;
    case -DER_BUSY:
      return EBUSY;
    case -DER_TIMEDOUT:
      return ETIMEDOUT;
    case -DER_UNREACH:
      return EHOSTUNREACH;
    case -DER_NOMEM:
      return ENOMEM;
    default:
      return EIO;
  }
}

struct TypeName {
  std::string_view name;
  daos_cont_layout_t type;
};
constexpr TypeName kTypes[] = {
    {"POSIX", DAOS_PROP_CO_LAYOUT_POSIX},       {"HDF5", DAOS_PROP_CO_LAYOUT_HDF5},
    {"PYTHON", DAOS_PROP_CO_LAYOUT_PYTHON},     {"SPARK", DAOS_PROP_CO_LAYOUT_SPARK},
    {"DATABASE", DAOS_PROP_CO_LAYOUT_DATABASE}, {"ROOT", DAOS_PROP_CO_LAYOUT_ROOT},
    {"SEISMIC", DAOS_PROP_CO_LAYOUT_SEISMIC},   {"METEO", DAOS_PROP_CO_LAYOUT_METEO}};

daos_cont_layout_t type_of(std::string_view name) {
  for (const TypeName& type : kTypes)
    if (name.size() == type.name.size() &&
        strncasecmp(type.name.data(), name.data(), name.size()) == 0)
      return type.type;
  return DAOS_PROP_CO_LAYOUT_UNKNOWN;
}
std::string_view name_of(daos_cont_layout_t type) {
  for (const TypeName& known : kTypes)
    if (known.type == type) return known.name;
  return "unknown";
}

// Labels or UUIDs; false if one is empty or too long.
bool set_names(std::string_view pool, std::string_view container, duns_attr_t* attributes) {
  if (pool.empty() || pool.size() > DAOS_PROP_LABEL_MAX_LEN ||
      container.size() > DAOS_PROP_LABEL_MAX_LEN)
    return false;
  std::memset(attributes->da_pool, 0, sizeof attributes->da_pool);
  std::memset(attributes->da_cont, 0, sizeof attributes->da_cont);
  pool.copy(attributes->da_pool, DAOS_PROP_LABEL_MAX_LEN);
  container.copy(attributes->da_cont, DAOS_PROP_LABEL_MAX_LEN);
  if (uuid_parse(attributes->da_pool, attributes->da_puuid) != 0) uuid_clear(attributes->da_puuid);
  if (uuid_parse(attributes->da_cont, attributes->da_cuuid) != 0) uuid_clear(attributes->da_cuuid);
  return true;
}

// POOL, POOL/CONTAINER or POOL/CONTAINER/PATH.
int resolve_name(std::string_view name, duns_attr_t* attributes) {
  const size_t pool_end = std::min(name.find('/'), name.size());
  const std::string_view pool = name.substr(0, pool_end);
  std::string_view rest = name.substr(std::min(pool_end + 1, name.size()));
  const size_t container_end = std::min(rest.find('/'), rest.size());
  if (!set_names(pool, rest.substr(0, container_end), attributes)) return EINVAL;
  rest.remove_prefix(container_end);
  while (rest.size() > 1 && rest.back() == '/') rest.remove_suffix(1);
  free(attributes->da_rel_path);
  attributes->da_rel_path = rest.size() > 1 ? strndup(rest.data(), rest.size()) : nullptr;
  return rest.size() > 1 && !attributes->da_rel_path ? ENOMEM : 0;
}

int read_attribute(const char* path, duns_attr_t* attributes) {
  char value[DUNS_MAX_XATTR_LEN + 1];
  const ssize_t length = lgetxattr(path, DUNS_XATTR_NAME, value, DUNS_MAX_XATTR_LEN);
  if (length < 0) return errno;
  value[length] = '\0';
  return duns_parse_attr(value, static_cast<daos_size_t>(length), attributes);
}

// The nearest directory upwards that stands for a container; what is below it is the path within.
int resolve_host_path(const char* path, duns_attr_t* attributes) {
  char real[PATH_MAX];
  std::string absolute, below;
  if (realpath(path, real)) {
    absolute = real;
  } else {
    // It may not be there yet: its directory is.
    std::string copy = path, name = path;
    if (errno != ENOENT || !realpath(dirname(copy.data()), real)) return errno;
    absolute = real;
    below = std::string("/") + basename(name.data());
  }
  for (;;) {
    if (read_attribute(absolute.c_str(), attributes) == 0) break;
    const size_t slash = absolute.rfind('/');
    if ((attributes->da_flags & DUNS_NO_REVERSE_LOOKUP) || slash == absolute.npos ||
        absolute == "/")
      return ENODATA;
    below = absolute.substr(slash) + below;
    absolute.resize(std::max<size_t>(slash, 1));
    if (slash == 0) absolute = "/";
  }
  free(attributes->da_rel_path);
  attributes->da_rel_path = below.empty() ? nullptr : strdup(below.c_str());
  return 0;
}

std::string text_of(const uuid_t uuid) {
  char text[DAOS_UUID_STR_SIZE];
  uuid_unparse_lower(uuid, text);
  return text;
}

// Directories for POSIX containers, files for others.
int make_entry(const char* path, daos_cont_layout_t type) {
  if (type == DAOS_PROP_CO_LAYOUT_POSIX) return mkdir(path, 0700) == 0 ? 0 : errno;
  const int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  close(file);
  return 0;
}
void remove_entry(const char* path, daos_cont_layout_t type) {
  if (type == DAOS_PROP_CO_LAYOUT_POSIX)
    rmdir(path);
  else
    unlink(path);
}

int make_linked_entry(const char* path, const uuid_t pool, const uuid_t container,
                      daos_cont_layout_t type) {
  if (const int error = make_entry(path, type)) return error;
  const std::string value = std::string(kAttributePrefix) + std::string(name_of(type)) + "://" +
                            text_of(pool) + "/" + text_of(container);
  if (lsetxattr(path, DUNS_XATTR_NAME, value.c_str(), value.size() + 1, 0) == 0) return 0;
  const int error = errno;
  remove_entry(path, type);
  return error;
}

int pool_uuid(daos_handle_t poh, uuid_t uuid) {
  daos_pool_info_t info = {};
  const int error = daos_pool_query(poh, nullptr, &info, nullptr, nullptr);
  if (!error) uuid_copy(uuid, info.pi_uuid);
  return errno_of(error);
}

}  // namespace

extern "C" {

int duns_parse_attr(char* str, daos_size_t len, struct duns_attr_t* attr) {
  if (!str || !attr) return EINVAL;
  const std::string_view text(str, strnlen(str, len));
  const size_t colon = text.find("://");
  if (text.substr(0, kAttributePrefix.size()) != kAttributePrefix || colon == text.npos)
    return EINVAL;
  attr->da_type = type_of(text.substr(kAttributePrefix.size(), colon - kAttributePrefix.size()));
  const std::string_view names = text.substr(colon + 3);
  const size_t slash = names.find('/');
  if (slash == names.npos || slash + 1 == names.size()) return EINVAL;
  return set_names(names.substr(0, slash), names.substr(slash + 1), attr) ? 0 : EINVAL;
}

int duns_resolve_path(const char* path, struct duns_attr_t* attr) {
  if (!path || !*path || !attr) return EINVAL;
  const std::string_view text = path;
  if (text.substr(0, kScheme.size()) == kScheme)
    return resolve_name(text.substr(kScheme.size()), attr);
  if (attr->da_flags & DUNS_NO_CHECK_PATH) return ENODATA;
  if ((attr->da_flags & DUNS_NO_PREFIX) || attr->da_no_prefix) {
    struct stat found;
    if (stat(path, &found) != 0 && text.front() == '/') return resolve_name(text.substr(1), attr);
  }
  return resolve_host_path(path, attr);
}

int duns_set_sys_name(struct duns_attr_t* attrp, const char* sys) {
  if (!attrp) return EINVAL;
  free(attrp->da_sys);
  attrp->da_sys = sys ? strdup(sys) : nullptr;
  return sys && !attrp->da_sys ? ENOMEM : 0;
}

void duns_destroy_attr(struct duns_attr_t* attrp) {
  if (!attrp) return;
  free(attrp->da_sys);
  free(attrp->da_rel_path);
  attrp->da_sys = attrp->da_rel_path = nullptr;
}

int duns_create_path(daos_handle_t poh, const char* path, struct duns_attr_t* attrp) {
  if (!path || !*path || !attrp) return EINVAL;
  // libdfs makes POSIX containers' own contents when they are first mounted or by dfs_cont_create.
  daos_prop_t* properties = daos_prop_alloc(1);
  daos_prop_t* merged = nullptr;
  if (!properties) return ENOMEM;
  properties->dpp_entries[0].dpe_type = DAOS_PROP_CO_LAYOUT_TYPE;
  properties->dpp_entries[0].dpe_val = attrp->da_type;
  int error = attrp->da_props ? daos_prop_merge2(attrp->da_props, properties, &merged) : 0;
  uuid_t pool, container;
  if (!error) error = daos_cont_create2(poh, &container, merged ? merged : properties, nullptr);
  daos_prop_free(properties);
  daos_prop_free(merged);
  if (error) return errno_of(error);
  int failed = pool_uuid(poh, pool);
  if (!failed) failed = make_linked_entry(path, pool, container, attrp->da_type);
  if (failed) {
    daos_cont_destroy2(poh, text_of(container).c_str(), 1, nullptr);
    return failed;
  }
  return set_names(text_of(pool), text_of(container), attrp) ? 0 : EINVAL;
}

int duns_link_cont(daos_handle_t poh, const char* cont, const char* path) {
  if (!cont || !*cont || !path || !*path) return EINVAL;
  daos_handle_t container{};
  daos_cont_info_t info = {};
  if (const int error = daos_cont_open2(poh, cont, DAOS_COO_RO, &container, &info, nullptr))
    return errno_of(error);
  daos_prop_t* properties = daos_prop_alloc(1);
  daos_cont_layout_t type = DAOS_PROP_CO_LAYOUT_UNKNOWN;
  if (properties) {
    properties->dpp_entries[0].dpe_type = DAOS_PROP_CO_LAYOUT_TYPE;
    const bool read = daos_cont_query(container, nullptr, properties, nullptr) == 0;
    if (read && daos_prop_is_set(&properties->dpp_entries[0]))
      type = static_cast<daos_cont_layout_t>(properties->dpp_entries[0].dpe_val);
  }
  daos_prop_free(properties);
  daos_cont_close(container, nullptr);
  uuid_t pool;
  if (const int error = pool_uuid(poh, pool)) return error;
  return make_linked_entry(path, pool, info.ci_uuid, type);
}

int duns_destroy_path(daos_handle_t poh, const char* path) {
  if (!path || !*path) return EINVAL;
  duns_attr_t attributes = {};
  if (const int error = read_attribute(path, &attributes)) return error == ENODATA ? EINVAL : error;
  const int error = daos_cont_destroy2(poh, attributes.da_cont, 1, nullptr);
  if (error && error != -DER_NONEXIST) return errno_of(error);
  remove_entry(path, attributes.da_type);
  return 0;
}

}  // extern "C"
