// Error codes. The values are DAOS's own (DER_*, positive here), so that the C API returns
// -static_cast<int>(code) without a table. A code is listed only if some caller can act on it.
// 503000 + errno: what only file systems answer; these stay inside posix/, whose API returns errno.
#pragma once

namespace varve {

// X(name, value, DER_ name, one sentence in plain words)
#define VARVE_CODES(X)                                                                       \
  X(kOk, 0, "DER_SUCCESS", "success")                                                        \
  X(kNoPermission, 1001, "DER_NO_PERM", "operation not permitted")                           \
  X(kNoHandle, 1002, "DER_NO_HDL", "the handle is closed or was never opened")               \
  X(kInvalid, 1003, "DER_INVAL", "an argument is not valid")                                 \
  X(kExists, 1004, "DER_EXIST", "it exists already")                                         \
  X(kNonexistent, 1005, "DER_NONEXIST", "it does not exist")                                 \
  X(kUnreachable, 1006, "DER_UNREACH", "the server cannot be reached")                       \
  X(kNoSpace, 1007, "DER_NOSPACE", "no space left")                                          \
  X(kAlready, 1008, "DER_ALREADY", "it was done already")                                    \
  X(kNoMemory, 1009, "DER_NOMEM", "out of memory")                                           \
  X(kNotImplemented, 1010, "DER_NOSYS", "not implemented")                                   \
  X(kTimedOut, 1011, "DER_TIMEDOUT", "the deadline passed")                                  \
  X(kBusy, 1012, "DER_BUSY", "it is in use")                                                 \
  X(kAgain, 1013, "DER_AGAIN", "try again")                                                  \
  X(kProtocol, 1014, "DER_PROTO", "the two sides speak different protocol versions")         \
  X(kUninitialized, 1015, "DER_UNINIT", "the library is not initialised")                    \
  X(kTruncated, 1016, "DER_TRUNC", "the buffer is too small")                                \
  X(kOverflow, 1017, "DER_OVERFLOW", "the value does not fit")                               \
  X(kCanceled, 1018, "DER_CANCELED", "the operation was cancelled")                          \
  X(kMiscellaneous, 1025, "DER_MISC", "miscellaneous error")                                 \
  X(kBadPath, 1026, "DER_BADPATH", "the path is not valid")                                  \
  X(kNotDirectory, 1027, "DER_NOTDIR", "not a directory")                                    \
  X(kMismatch, 1031, "DER_MISMATCH", "two things that must agree do not")                    \
  X(kBadTarget, 1035, "DER_BAD_TARGET", "the target does not hold this data")                \
  X(kClockSkew, 1037, "DER_HLC_SYNC", "clocks differ by more than the guard allows")         \
  X(kQuota, 1046, "DER_QUOTA_LIMIT", "a quota is reached")                                   \
  X(kIo, 2001, "DER_IO", "input or output failed on a device")                               \
  X(kNoEntry, 2003, "DER_ENOENT", "no such entry")                                           \
  X(kBadType, 2004, "DER_NOTYPE", "the type does not fit the operation")                     \
  X(kStale, 2007, "DER_STALE", "the caller's pool map is older than the server's")           \
  X(kNotLeader, 2008, "DER_NOTLEADER", "not the leader of the service")                      \
  X(kReadOnly, 2010, "DER_EP_RO", "the snapshot or handle is read-only")                     \
  X(kEpochTooOld, 2011, "DER_EP_OLD", "the epoch is older than what is kept")                \
  X(kKeyTooBig, 2012, "DER_KEY2BIG", "the key is too long")                                  \
  X(kRecordTooBig, 2013, "DER_REC2BIG", "the record is larger than the buffer")              \
  X(kBadIo, 2014, "DER_IO_INVAL", "the I/O descriptor and the data do not fit together")     \
  X(kShutdown, 2017, "DER_SHUTDOWN", "the service is shutting down")                         \
  X(kInProgress, 2018, "DER_INPROGRESS", "it is being done already")                         \
  X(kChecksum, 2021, "DER_CSUM", "a checksum does not match")                                \
  X(kBadFormat, 2022, "DER_DF_INVAL", "the stored format is damaged")                        \
  X(kIncompatible, 2023, "DER_DF_INCOMPT", "the stored format has another version")          \
  X(kRecordSize, 2024, "DER_REC_SIZE", "the record size differs from what is stored")        \
  X(kTransactionRestart, 2025, "DER_TX_RESTART", "the transaction lost a conflict: restart") \
  X(kDataLoss, 2026, "DER_DATA_LOSS", "data is lost")                                        \
  X(kTransactionBusy, 2028, "DER_TX_BUSY", "an undecided transaction is in the way")         \
  X(kRedundancy, 2031, "DER_RF", "more failures than the redundancy factor allows")          \
  X(kIdMismatch, 2035, "DER_ID_MISMATCH", "the identifier belongs to something else")        \
  X(kNotSupported, 2037, "DER_NOTSUPPORTED", "not supported here")                           \
  X(kNoService, 2039, "DER_NO_SERVICE", "the service is not running")                        \
  X(kContainerNonexistent, 2050, "DER_CONT_NONEXIST", "the container does not exist")        \
  X(kNameTooLong, 503036, "ENAMETOOLONG", "the name is too long")                            \
  X(kIsDirectory, 503021, "EISDIR", "it is a directory")                                     \
  X(kNotEmpty, 503039, "ENOTEMPTY", "the directory is not empty")                            \
  X(kLinkLoop, 503040, "ELOOP", "too many symbolic links")                                   \
  X(kNoAttribute, 503061, "ENODATA", "there is no such attribute")                           \
  X(kUnknown, 501000, "DER_UNKNOWN", "unknown error")

enum class Code : int {
#define VARVE_CODE_ENUM(name, value, der, meaning) name = value,
  VARVE_CODES(VARVE_CODE_ENUM)
#undef VARVE_CODE_ENUM
};

// "DER_NOSPACE" etc.; "DER_UNKNOWN" where the value has no name.
const char* code_name(Code code);
// One short sentence in plain words.
const char* code_meaning(Code code);
// The code of this number (a wire value, say); kUnknown where there is none.
Code code_from(int value);

}  // namespace varve
