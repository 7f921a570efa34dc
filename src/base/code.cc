#include "base/code.h"

namespace varve {

const char* code_name(Code code) {
  switch (code) {
#define VARVE_CODE_CASE(name, value, der, meaning) \
  case Code::name:                                 \
    return der;
    VARVE_CODES(VARVE_CODE_CASE)
#undef VARVE_CODE_CASE
  }
  return "DER_UNKNOWN";
}

const char* code_meaning(Code code) {
  switch (code) {
#define VARVE_CODE_CASE(name, value, der, meaning) \
  case Code::name:                                 \
    return meaning;
    VARVE_CODES(VARVE_CODE_CASE)
#undef VARVE_CODE_CASE
  }
  return "unknown error";
}

Code code_from(int value) {
  switch (value) {
#define VARVE_CODE_CASE(name, number, der, meaning) \
  case number:                                      \
    return Code::name;
    VARVE_CODES(VARVE_CODE_CASE)
#undef VARVE_CODE_CASE
  }
  return Code::kUnknown;
}

}  // namespace varve
