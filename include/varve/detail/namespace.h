// SPDX-License-Identifier: Apache-2.0
// The namespace of this interface's version. Programs see varve::Client; the symbol is
// varve::v1::Client, so that a later interface can live beside this one in a process.
#ifndef VARVE_DETAIL_NAMESPACE_H
#define VARVE_DETAIL_NAMESPACE_H

#define VARVE_API __attribute__((visibility("default")))

// The library itself has other types of the same names in namespace varve: to it this one is not
// inline.
#ifdef VARVE_BUILDS_LIBVARVE
#define VARVE_NAMESPACE_BEGIN \
  namespace varve {           \
  namespace v1 {
#else
#define VARVE_NAMESPACE_BEGIN \
  namespace varve {           \
  inline namespace v1 {
#endif
#define VARVE_NAMESPACE_END \
  }                         \
  }

#endif  // VARVE_DETAIL_NAMESPACE_H
