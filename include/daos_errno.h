/* SPDX-License-Identifier: Apache-2.0 */
/* Error numbers. A call returns 0 or the negative number: -DER_NONEXIST. */
/* Generated from tools/headers/daos_errno.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_ERRNO_H
#define VARVE_DAOS_ERRNO_H

/** Clients tell the two ranges apart by their bases, 1000 and 2000. */
#define D_FOREACH_ERR_RANGE(ACTION) \
  ACTION(GURT, 1000)                \
  ACTION(DAOS, 2000)

/** Calls ACTION(name, description in plain tokens) for each number of the first range, in order. */
#define D_FOREACH_GURT_ERR(ACTION)                                                                 \
  ACTION(DER_NO_PERM, The caller may not do this)                                                  \
  ACTION(DER_NO_HDL, The handle is closed or was never opened)                                     \
  ACTION(DER_INVAL, An argument is not valid)                                                      \
  ACTION(DER_EXIST, It exists already)                                                             \
  ACTION(DER_NONEXIST, It does not exist)                                                          \
  ACTION(DER_UNREACH, The server cannot be reached)                                                \
  ACTION(DER_NOSPACE, No space is left)                                                            \
  ACTION(DER_ALREADY, It was done already)                                                         \
  ACTION(DER_NOMEM, Out of memory)                                                                 \
  ACTION(DER_NOSYS, Not implemented)                                                               \
  ACTION(DER_TIMEDOUT, The deadline passed)                                                        \
  ACTION(DER_BUSY, It is in use)                                                                   \
  ACTION(DER_AGAIN, Try again)                                                                     \
  ACTION(DER_PROTO, The two sides speak different protocol versions)                               \
  ACTION(DER_UNINIT, The library is not initialised)                                               \
  ACTION(DER_TRUNC, The buffer is too small)                                                       \
  ACTION(DER_OVERFLOW, The value does not fit)                                                     \
  ACTION(DER_CANCELED, The operation was cancelled)                                                \
  ACTION(DER_OOG, The process is outside the group)                                                \
  ACTION(DER_HG, The transport failed)                                                             \
  ACTION(DER_UNREG, The request type is not registered)                                            \
  ACTION(DER_ADDRSTR_GEN, No address string could be made)                                         \
  ACTION(DER_PMIX, The process manager failed)                                                     \
  ACTION(DER_IVCB_FORWARD, The incast variable is to be forwarded)                                 \
  ACTION(DER_MISC, Some other error)                                                               \
  ACTION(DER_BADPATH, The path is not valid)                                                       \
  ACTION(DER_NOTDIR, Not a directory)                                                              \
  ACTION(DER_CORPC_INCOMPLETE, A collective request reached only a part of its members)            \
  ACTION(DER_NO_RAS_RANK, No rank is subscribed to events)                                         \
  ACTION(DER_NOTATTACH, The service group is not attached)                                         \
  ACTION(DER_MISMATCH, Two things that must agree do not)                                          \
  ACTION(DER_EXCLUDED, The rank or target is excluded)                                             \
  ACTION(DER_NOREPLY, No reply came to the request)                                                \
  ACTION(DER_DOS, Too many requests at once)                                                       \
  ACTION(DER_BAD_TARGET, The request went to the wrong target)                                     \
  ACTION(DER_GRPVER, Group versions differ)                                                        \
  ACTION(DER_HLC_SYNC, Clocks differ by more than the guard allows)                                \
  ACTION(DER_NO_SHMEM, No shared memory is left)                                                   \
  ACTION(DER_ADD_METRIC_FAILED, The metric could not be added)                                     \
  ACTION(DER_DURATION_MISMATCH, Start and end of a duration do not match)                          \
  ACTION(DER_OP_NOT_PERMITTED, The operation is not allowed on this metric)                        \
  ACTION(DER_EXCEEDS_PATH_LEN, The path is too long)                                               \
  ACTION(DER_METRIC_NOT_FOUND, There is no such metric)                                            \
  ACTION(DER_SHMEM_PERMS, Permissions of the shared memory forbid this)                            \
  ACTION(DER_HG_FATAL, The transport failed for good)                                              \
  ACTION(DER_QUOTA_LIMIT, A quota is reached)

/** The same for the second range. */
#define D_FOREACH_DAOS_ERR(ACTION)                                                                 \
  ACTION(DER_IO, Input or output failed on a device)                                               \
  ACTION(DER_FREE_MEM, Memory could not be freed)                                                  \
  ACTION(DER_ENOENT, No such entry)                                                                \
  ACTION(DER_NOTYPE, The object type does not fit the operation)                                   \
  ACTION(DER_NOSCHEMA, The object schema is not known)                                             \
  ACTION(DER_NOLOCAL, The object is not on this server)                                            \
  ACTION(DER_STALE, The pool map of the caller is out of date)                                     \
  ACTION(DER_NOTLEADER, Not the leader of the service)                                             \
  ACTION(DER_TGT_CREATE, A target could not be created)                                            \
  ACTION(DER_EP_RO, The epoch or handle is read-only)                                              \
  ACTION(DER_EP_OLD, The epoch is older than what is kept)                                         \
  ACTION(DER_KEY2BIG, The key is too long)                                                         \
  ACTION(DER_REC2BIG, The record is larger than the buffer)                                        \
  ACTION(DER_IO_INVAL, The I/O descriptor and the buffers do not fit together)                     \
  ACTION(DER_EQ_BUSY, The event queue has events in flight)                                        \
  ACTION(DER_DOMAIN, Fault domains of the layout do not fit the pool)                              \
  ACTION(DER_SHUTDOWN, The service is shutting down)                                               \
  ACTION(DER_INPROGRESS, It is being done already)                                                 \
  ACTION(DER_NOTAPPLICABLE, It does not apply here)                                                \
  ACTION(DER_NOTREPLICA, Not a replica of the service)                                             \
  ACTION(DER_CSUM, A checksum does not match)                                                      \
  ACTION(DER_DF_INVAL, The stored format is damaged)                                               \
  ACTION(DER_DF_INCOMPT, The stored format has another version)                                    \
  ACTION(DER_REC_SIZE, The record size differs from what is stored)                                \
  ACTION(DER_TX_RESTART, The transaction lost a conflict and must be restarted)                    \
  ACTION(DER_DATA_LOSS, Data is lost or cannot be reconstructed)                                   \
  ACTION(DER_OP_CANCELED, The operation was cancelled before it was done)                          \
  ACTION(DER_TX_BUSY, An undecided transaction is in the way)                                      \
  ACTION(DER_AGENT_INCOMPAT, Agent and library have versions that do not fit together)             \
  ACTION(DER_NEED_TX, The operation needs a distributed transaction)                               \
  ACTION(DER_RF, More failures than the redundancy factor allows)                                  \
  ACTION(DER_FETCH_AGAIN, Fetch again)                                                             \
  ACTION(DER_TX_UNCERTAIN, The state of the transaction is not known yet)                          \
  ACTION(DER_AGENT_COMM, The agent cannot be reached)                                              \
  ACTION(DER_ID_MISMATCH, The identifier belongs to something else)                                \
  ACTION(DER_TGT_RETRY, Retry with another target)                                                 \
  ACTION(DER_NOTSUPPORTED, Not supported here)                                                     \
  ACTION(DER_CONTROL_INCOMPAT, Control components have versions that do not fit together)          \
  ACTION(DER_NO_SERVICE, The service is not running)                                               \
  ACTION(DER_TX_ID_REUSED, The transaction identifier was used before)                             \
  ACTION(DER_UPDATE_AGAIN, Update again)                                                           \
  ACTION(DER_NVME_IO, Input or output failed on an NVMe device)                                    \
  ACTION(DER_NO_CERT, A certificate could not be read)                                             \
  ACTION(DER_BAD_CERT, A certificate is not valid)                                                 \
  ACTION(DER_VOS_PARTIAL_UPDATE, An extent covers only a part of what is stored)                   \
  ACTION(DER_CHKPT_BUSY, The page is being written by a checkpoint)                                \
  ACTION(DER_DIV_BY_ZERO, Division by zero)                                                        \
  ACTION(DER_OVERLOAD_RETRY, The server is overloaded and asks to retry later)                     \
  ACTION(DER_NOT_RESUME, The operation cannot be resumed)                                          \
  ACTION(DER_CONT_NONEXIST, The container does not exist)                                          \
  ACTION(DER_CONT_DESTROYING, The container is being destroyed)                                    \
  ACTION(DER_IGNORE, The condition may be ignored)                                                 \
  ACTION(DER_LAST_VALID, End of the list of errors)

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

/** The old name of DER_EXCLUDED. */
#define DER_EVICTED DER_EXCLUDED
/** Format of an error: name, number, description. Its arguments are DP_RC(rc). */
#define DF_RC "%s(%d): '%s'"
/** The arguments of DF_RC. */
#define DP_RC(rc) d_errstr(rc), rc, d_errdesc(rc)

#ifdef __cplusplus
extern "C" {
#endif

/** The error numbers. */
enum daos_errno {
  DER_SUCCESS            = 0, /**< Success */
  DER_ERR_GURT_BASE      = 1000,
  DER_NO_PERM            = 1001, /**< The caller may not do this */
  DER_NO_HDL             = 1002, /**< The handle is closed or was never opened */
  DER_INVAL              = 1003, /**< An argument is not valid */
  DER_EXIST              = 1004, /**< It exists already */
  DER_NONEXIST           = 1005, /**< It does not exist */
  DER_UNREACH            = 1006, /**< The server cannot be reached */
  DER_NOSPACE            = 1007, /**< No space is left */
  DER_ALREADY            = 1008, /**< It was done already */
  DER_NOMEM              = 1009, /**< Out of memory */
  DER_NOSYS              = 1010, /**< Not implemented */
  DER_TIMEDOUT           = 1011, /**< The deadline passed */
  DER_BUSY               = 1012, /**< It is in use */
  DER_AGAIN              = 1013, /**< Try again */
  DER_PROTO              = 1014, /**< The two sides speak different protocol versions */
  DER_UNINIT             = 1015, /**< The library is not initialised */
  DER_TRUNC              = 1016, /**< The buffer is too small */
  DER_OVERFLOW           = 1017, /**< The value does not fit */
  DER_CANCELED           = 1018, /**< The operation was cancelled */
  DER_OOG                = 1019, /**< The process is outside the group */
  DER_HG                 = 1020, /**< The transport failed */
  DER_UNREG              = 1021, /**< The request type is not registered */
  DER_ADDRSTR_GEN        = 1022, /**< No address string could be made */
  DER_PMIX               = 1023, /**< The process manager failed */
  DER_IVCB_FORWARD       = 1024, /**< The incast variable is to be forwarded */
  DER_MISC               = 1025, /**< Some other error */
  DER_BADPATH            = 1026, /**< The path is not valid */
  DER_NOTDIR             = 1027, /**< Not a directory */
  DER_CORPC_INCOMPLETE   = 1028, /**< A collective request reached only a part of its members */
  DER_NO_RAS_RANK        = 1029, /**< No rank is subscribed to events */
  DER_NOTATTACH          = 1030, /**< The service group is not attached */
  DER_MISMATCH           = 1031, /**< Two things that must agree do not */
  DER_EXCLUDED           = 1032, /**< The rank or target is excluded */
  DER_NOREPLY            = 1033, /**< No reply came to the request */
  DER_DOS                = 1034, /**< Too many requests at once */
  DER_BAD_TARGET         = 1035, /**< The request went to the wrong target */
  DER_GRPVER             = 1036, /**< Group versions differ */
  DER_HLC_SYNC           = 1037, /**< Clocks differ by more than the guard allows */
  DER_NO_SHMEM           = 1038, /**< No shared memory is left */
  DER_ADD_METRIC_FAILED  = 1039, /**< The metric could not be added */
  DER_DURATION_MISMATCH  = 1040, /**< Start and end of a duration do not match */
  DER_OP_NOT_PERMITTED   = 1041, /**< The operation is not allowed on this metric */
  DER_EXCEEDS_PATH_LEN   = 1042, /**< The path is too long */
  DER_METRIC_NOT_FOUND   = 1043, /**< There is no such metric */
  DER_SHMEM_PERMS        = 1044, /**< Permissions of the shared memory forbid this */
  DER_HG_FATAL           = 1045, /**< The transport failed for good */
  DER_QUOTA_LIMIT        = 1046, /**< A quota is reached */
  DER_ERR_DAOS_BASE      = 2000,
  DER_IO                 = 2001, /**< Input or output failed on a device */
  DER_FREE_MEM           = 2002, /**< Memory could not be freed */
  DER_ENOENT             = 2003, /**< No such entry */
  DER_NOTYPE             = 2004, /**< The object type does not fit the operation */
  DER_NOSCHEMA           = 2005, /**< The object schema is not known */
  DER_NOLOCAL            = 2006, /**< The object is not on this server */
  DER_STALE              = 2007, /**< The pool map of the caller is out of date */
  DER_NOTLEADER          = 2008, /**< Not the leader of the service */
  DER_TGT_CREATE         = 2009, /**< A target could not be created */
  DER_EP_RO              = 2010, /**< The epoch or handle is read-only */
  DER_EP_OLD             = 2011, /**< The epoch is older than what is kept */
  DER_KEY2BIG            = 2012, /**< The key is too long */
  DER_REC2BIG            = 2013, /**< The record is larger than the buffer */
  DER_IO_INVAL           = 2014, /**< The I/O descriptor and the buffers do not fit together */
  DER_EQ_BUSY            = 2015, /**< The event queue has events in flight */
  DER_DOMAIN             = 2016, /**< Fault domains of the layout do not fit the pool */
  DER_SHUTDOWN           = 2017, /**< The service is shutting down */
  DER_INPROGRESS         = 2018, /**< It is being done already */
  DER_NOTAPPLICABLE      = 2019, /**< It does not apply here */
  DER_NOTREPLICA         = 2020, /**< Not a replica of the service */
  DER_CSUM               = 2021, /**< A checksum does not match */
  DER_DF_INVAL           = 2022, /**< The stored format is damaged */
  DER_DF_INCOMPT         = 2023, /**< The stored format has another version */
  DER_REC_SIZE           = 2024, /**< The record size differs from what is stored */
  DER_TX_RESTART         = 2025, /**< The transaction lost a conflict and must be restarted */
  DER_DATA_LOSS          = 2026, /**< Data is lost or cannot be reconstructed */
  DER_OP_CANCELED        = 2027, /**< The operation was cancelled before it was done */
  DER_TX_BUSY            = 2028, /**< An undecided transaction is in the way */
  DER_AGENT_INCOMPAT     = 2029, /**< Agent and library have versions that do not fit together */
  DER_NEED_TX            = 2030, /**< The operation needs a distributed transaction */
  DER_RF                 = 2031, /**< More failures than the redundancy factor allows */
  DER_FETCH_AGAIN        = 2032, /**< Fetch again */
  DER_TX_UNCERTAIN       = 2033, /**< The state of the transaction is not known yet */
  DER_AGENT_COMM         = 2034, /**< The agent cannot be reached */
  DER_ID_MISMATCH        = 2035, /**< The identifier belongs to something else */
  DER_TGT_RETRY          = 2036, /**< Retry with another target */
  DER_NOTSUPPORTED       = 2037, /**< Not supported here */
  DER_CONTROL_INCOMPAT   = 2038, /**< Control components have versions that do not fit together */
  DER_NO_SERVICE         = 2039, /**< The service is not running */
  DER_TX_ID_REUSED       = 2040, /**< The transaction identifier was used before */
  DER_UPDATE_AGAIN       = 2041, /**< Update again */
  DER_NVME_IO            = 2042, /**< Input or output failed on an NVMe device */
  DER_NO_CERT            = 2043, /**< A certificate could not be read */
  DER_BAD_CERT           = 2044, /**< A certificate is not valid */
  DER_VOS_PARTIAL_UPDATE = 2045, /**< An extent covers only a part of what is stored */
  DER_CHKPT_BUSY         = 2046, /**< The page is being written by a checkpoint */
  DER_DIV_BY_ZERO        = 2047, /**< Division by zero */
  DER_OVERLOAD_RETRY     = 2048, /**< The server is overloaded and asks to retry later */
  DER_NOT_RESUME         = 2049, /**< The operation cannot be resumed */
  DER_CONT_NONEXIST      = 2050, /**< The container does not exist */
  DER_CONT_DESTROYING    = 2051, /**< The container is being destroyed */
  DER_IGNORE             = 2052, /**< The condition may be ignored */
  DER_LAST_VALID         = 2053, /**< End of the list of errors */
  DER_UNKNOWN            = 0x7a508, /**< Unknown error */
};

/** The name of an error, given positive or negative: "DER_NONEXIST". */
const char *d_errstr(int errnum);

/** What the error means, in words. */
const char *d_errdesc(int errnum);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_ERRNO_H */
