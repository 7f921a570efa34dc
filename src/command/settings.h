// What pools and containers have in common for people: user attributes and access control lists.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "command/context.h"

namespace CLI {
class App;
}

namespace varve::command {

struct AttributeArguments {
  std::string pool, container;         // container "": the pool's
  std::vector<std::string> arguments;  // "NAME VALUE", "NAME:VALUE,..." or "NAME,..."
  bool verbose = false;
};
// set-attr, get-attr, del-attr and list-attrs under `noun`; `made` adds the positional names.
using MakeVerb = std::function<CLI::App*(const char* verb, const char* text)>;
void add_attribute_verbs(Context& context, const MakeVerb& make,
                         std::shared_ptr<AttributeArguments> arguments);

// get-acl, overwrite-acl, update-acl and delete-acl; the same names.
struct AclArguments {
  std::string pool, container;
  std::string file, entry, principal, owner_user, owner_group;
  bool verbose = false;
};
void add_acl_verbs(Context& context, const MakeVerb& make, std::shared_ptr<AclArguments> arguments);

}  // namespace varve::command
