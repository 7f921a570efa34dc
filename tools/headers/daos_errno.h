Error numbers. A call returns 0 or the negative number: -DER_NONEXIST.

/** Clients tell the two ranges apart by their bases, 1000 and 2000. */
#define D_FOREACH_ERR_RANGE(ACTION) \
  ACTION(GURT, 1000)                \
  ACTION(DAOS, 2000)

/** Calls ACTION(name, description in plain tokens) for each number of the first range, in order. */
@errors GURT 1000 1999

/** The same for the second range. */
@errors DAOS 2000 2999

/* Ready-made ACTIONs: enumerators, names, descriptions, and a whole range of enumerators. */
#define D_DEFINE_ERRNO(name, desc) name,
#define D_DEFINE_ERRSTR(name, desc) #name,
#define D_DEFINE_ERRDESC(name, desc) #desc,
#define D_DEFINE_RANGE_ERRNO(name, base) \
  DER_ERR_##name##_BASE = (base), D_FOREACH_##name##_ERR(D_DEFINE_ERRNO)

#define DO_PRAGMA(text) _Pragma(#text)
/** An old name for an error number: a note at compile time, then the new one. */
#define DEPRECATE_ERROR(old_name, new_name) \
  (DO_PRAGMA(message(#old_name " is deprecated, use " #new_name)) new_name)

@macros
/** The arguments of DF_RC. */
#define DP_RC(rc) d_errstr(rc), rc, d_errdesc(rc)

@begin

@types

@functions
