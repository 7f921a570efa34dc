#include "pool/access.h"

namespace varve::pool {
namespace {

std::string text_or(const std::vector<Property>& properties, uint32_t type, std::string otherwise) {
  const Property* property = find_property(properties, type);
  return property && property->is_text ? property->text : std::move(otherwise);
}

uint64_t grantable(const Guarded& which) {
  return which.is_pool ? security::kPoolPermissions : security::kContainerPermissions;
}

Result<security::AccessList> checked_list(std::string_view text, const Guarded& which) {
  VARVE_TRY(security::AccessList list, security::parse_list(text));
  VARVE_CHECK(security::check_list(list, grantable(which)));
  return list;
}

}  // namespace

std::string list_text(const std::vector<Property>& properties, const Guarded& which) {
  return text_or(properties, which.list_type,
                 *security::text_of(which.is_pool ? security::default_pool_list()
                                                  : security::default_container_list()));
}

uint64_t permissions(const std::vector<Property>& properties, const Guarded& which,
                     const Context& context) {
  if (context.trusted) return security::kAllPermissions;
  const auto list = security::parse_list(list_text(properties, which));
  if (!list.ok()) return 0;
  const security::Ownership owner{text_or(properties, which.owner_type, ""),
                                  text_or(properties, which.group_type, "")};
  const uint64_t granted = security::permissions_of(*list, owner, context.who);
  return which.is_pool ? security::expand_pool_permissions(granted) : granted;
}

Result<void> require(uint64_t held, uint64_t any_of, std::string_view noun,
                     const Context& context) {
  if (held & any_of) return {};
  security::Entry wanted{security::PrincipalKind::kUser, context.who.user};
  wanted.allow = any_of;
  const auto words = security::words_of(wanted);
  return Error(Code::kNoPermission, std::string(noun) + ": user " + context.who.user +
                                        " is not permitted this; its access control list has "
                                        "to grant one of these: " +
                                        (words.ok() ? *words : "an entry"));
}

Result<void> set_first_owner(std::vector<Property>& properties, const Guarded& which,
                             std::string_view noun, const Context& context) {
  if (const Property* list = find_property(properties, which.list_type))
    VARVE_CHECK(checked_list(list->text, which));
  for (const uint32_t type : {which.owner_type, which.group_type}) {
    const bool user = type == which.owner_type;
    const std::string own = user                         ? context.who.user
                            : context.who.groups.empty() ? ""
                                                         : context.who.groups[0];
    const Property* given = find_property(properties, type);
    if (given && !context.trusted && given->text != own)
      return Error(Code::kNoPermission, std::string(noun) + ": " + context.who.user +
                                            " cannot make it for " + given->text);
    if (given && !security::is_principal_name(given->text))
      return Error(Code::kInvalid,
                   std::string(noun) + ": '" + given->text + "' is no owner; write name@");
    if (!given && !own.empty()) properties.push_back(text_property(type, own));
  }
  return {};
}

Result<void> check_guarded_changes(const std::vector<Property>& changes, uint64_t held,
                                   const Guarded& which, std::string_view noun,
                                   const Context& context) {
  bool plain = changes.empty();
  for (const Property& change : changes) {
    if (change.type == which.list_type) {
      VARVE_CHECK(checked_list(change.text, which));
      VARVE_CHECK(require(held, security::kSetAcl, noun, context));
    } else if (change.type == which.owner_type || change.type == which.group_type) {
      if (!change.is_text || !security::is_principal_name(change.text))
        return Error(Code::kInvalid,
                     std::string(noun) + ": '" + change.text + "' is no owner; write name@");
      VARVE_CHECK(require(held, security::kSetOwner, noun, context));
    } else {
      plain = true;
    }
  }
  return plain ? require(held, security::kSetProperties, noun, context) : Result<void>();
}

Result<std::string> change_list(const std::vector<Property>& properties, const Guarded& which,
                                AclVerb verb, std::string_view entries) {
  if (verb == AclVerb::kDelete) {
    VARVE_TRY(const security::Entry gone, security::parse_principal(entries));
    VARVE_TRY(security::AccessList list, security::parse_list(list_text(properties, which)));
    security::Entry* found = security::find_entry(list, gone.kind, gone.name);
    if (!found)
      return Error(Code::kNonexistent,
                   "the access control list has no entry for " + security::principal_text(gone));
    list.erase(list.begin() + (found - list.data()));
    return security::text_of(list);
  }
  VARVE_TRY(security::AccessList fresh, checked_list(entries, which));
  if (verb == AclVerb::kOverwrite) return security::text_of(fresh);
  if (verb != AclVerb::kUpdate)
    return Error(Code::kInvalid, "there is no such change of an access control list");
  VARVE_TRY(security::AccessList list, security::parse_list(list_text(properties, which)));
  for (security::Entry& entry : fresh) {
    if (security::Entry* same = security::find_entry(list, entry.kind, entry.name))
      *same = std::move(entry);
    else
      list.push_back(std::move(entry));
  }
  security::sort(list);
  return security::text_of(list);
}

}  // namespace varve::pool
