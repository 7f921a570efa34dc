// What a function that is not written yet does.
#pragma once

namespace varve::libdaos {

// -DER_NOSYS; logs the name once per function and process.
int not_implemented(const char* name);

}  // namespace varve::libdaos
