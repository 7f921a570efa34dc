#include "security/names.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace varve::security {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr size_t kKnownMax = 4096;

std::string number_text(uint32_t number) { return std::to_string(number) + "@"; }

class NumberNames final : public Names {
 public:
  std::string user(uint32_t uid) override { return number_text(uid); }
  std::string group(uint32_t gid) override { return number_text(gid); }
  bool is_administrator(uint32_t) override { return true; }
  Identity identity(uint32_t uid, uint32_t gid) override { return {user(uid), {group(gid)}}; }
};

// Looked up once per number; forgotten all at once when they are many.
class MachineNames final : public Names {
 public:
  std::string user(uint32_t uid) override {
    return known(users_, uid, [](uint32_t number) {
      const Result<std::string> found = machine_user(number);
      return found ? *found : number_text(number);
    });
  }
  std::string group(uint32_t gid) override {
    return known(groups_, gid, [](uint32_t number) {
      const Result<std::string> found = machine_group(number);
      return found ? *found : number_text(number);
    });
  }
  bool is_administrator(uint32_t uid) override { return uid == 0 || uid == geteuid(); }
  Identity identity(uint32_t uid, uint32_t gid) override {
    Identity who{user(uid), {group(gid)}};
    const std::string name = who.user.substr(0, who.user.size() - 1);
    std::vector<gid_t> all(64);
    int count = static_cast<int>(all.size());
    if (getgrouplist(name.c_str(), gid, all.data(), &count) < 0) {
      all.resize(static_cast<size_t>(std::clamp(count, 1, 65536)));
      count = static_cast<int>(all.size());
      if (getgrouplist(name.c_str(), gid, all.data(), &count) < 0) count = 0;
    }
    for (int i = 0; i < count; ++i)
      if (all[static_cast<size_t>(i)] != gid)
        who.groups.push_back(group(all[static_cast<size_t>(i)]));
    return who;
  }

 private:
  using Known = std::map<uint32_t, std::string>;
  template <class LookUp>
  static std::string known(Known& names, uint32_t number, LookUp look_up) {
    const auto found = names.find(number);
    if (found != names.end()) return found->second;
    if (names.size() >= kKnownMax) names.clear();
    return names.emplace(number, look_up(number)).first->second;
  }
  Known users_, groups_;
};

Error nobody(const char* noun, const std::string& name) {
  return Error(Code::kNonexistent, "this machine knows no " + std::string(noun) + " " + name);
}

}  // namespace

std::unique_ptr<Names> number_names() { return std::make_unique<NumberNames>(); }
std::unique_ptr<Names> machine_names() { return std::make_unique<MachineNames>(); }

Result<std::string> machine_user(uint32_t uid) {
  std::vector<char> buffer(kBufferBytes);
  passwd entry{}, *found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return nobody("user", std::to_string(uid));
  return std::string(found->pw_name) + "@";
}

Result<std::string> machine_group(uint32_t gid) {
  std::vector<char> buffer(kBufferBytes);
  ::group entry{}, *found = nullptr;
  if (getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return nobody("group", std::to_string(gid));
  return std::string(found->gr_name) + "@";
}

// Names of other domains are nobody's here.
Result<uint32_t> machine_uid(std::string_view principal) {
  std::vector<char> buffer(kBufferBytes);
  passwd entry{}, *found = nullptr;
  const std::string name(principal.substr(0, principal.find('@')));
  if (!is_principal_name(principal) || name.size() + 1 != principal.size())
    return Error(Code::kInvalid, "'" + std::string(principal) + "' is not of the form name@");
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return nobody("user", name);
  return found->pw_uid;
}

Result<uint32_t> machine_gid(std::string_view principal) {
  std::vector<char> buffer(kBufferBytes);
  ::group entry{}, *found = nullptr;
  const std::string name(principal.substr(0, principal.find('@')));
  if (!is_principal_name(principal) || name.size() + 1 != principal.size())
    return Error(Code::kInvalid, "'" + std::string(principal) + "' is not of the form name@");
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return nobody("group", name);
  return found->gr_gid;
}

}  // namespace varve::security
