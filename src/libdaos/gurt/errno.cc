// daos_errno.h: names and meanings of error numbers.
#include "daos_errno.h"

#include <climits>

namespace {

struct ErrorName {
  int number;
  const char* name;
  const char* meaning;
};

#define VARVE_ERROR(name, desc) {name, #name, #desc},
constexpr ErrorName kErrors[] = {
    {DER_SUCCESS, "DER_SUCCESS", "Success"},
    D_FOREACH_GURT_ERR(VARVE_ERROR)
        D_FOREACH_DAOS_ERR(VARVE_ERROR){DER_UNKNOWN, "DER_UNKNOWN", "Unknown error"},
};
#undef VARVE_ERROR

const ErrorName* find(int number) {
  if (number < 0 && number != INT_MIN) number = -number;
  for (const ErrorName& error : kErrors)
    if (error.number == number) return &error;
  return nullptr;
}

}  // namespace

extern "C" {

const char* d_errstr(int errnum) {
  const ErrorName* error = find(errnum);
  return error ? error->name : "DER_UNKNOWN";
}

const char* d_errdesc(int errnum) {
  const ErrorName* error = find(errnum);
  return error ? error->meaning : "Unknown error";
}

}  // extern "C"
