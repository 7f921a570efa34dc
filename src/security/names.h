// Numbers of users and groups as principals ("name@"), and back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "security/acl.h"

namespace varve::security {

class Names {
 public:
  virtual ~Names() = default;
  // The name, or the number where nobody has it: "1000@".
  virtual std::string user(uint32_t uid) = 0;
  virtual std::string group(uint32_t gid) = 0;
  // May do everything, whatever a list says: the superuser, and whoever the server runs as.
  virtual bool is_administrator(uint32_t uid) = 0;
  // With the groups that the user is in beside `gid`.
  virtual Identity identity(uint32_t uid, uint32_t gid) = 0;
};

// Numbers stay numbers, and everybody is an administrator.
std::unique_ptr<Names> number_names();
// As the machine knows them; each number is looked up once. An answer takes as long as the
// machine's name service does.
std::unique_ptr<Names> machine_names();

// As the machine knows them now; kNonexistent.
Result<std::string> machine_user(uint32_t uid);
Result<std::string> machine_group(uint32_t gid);
Result<uint32_t> machine_uid(std::string_view principal);
Result<uint32_t> machine_gid(std::string_view principal);

}  // namespace varve::security
