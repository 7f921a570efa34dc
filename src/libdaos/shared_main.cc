// A shared library has a source of its own; everything else comes from the static libraries.
namespace varve::libdaos {
extern const char kSharedLibrary[];
const char kSharedLibrary[] = "libdaos.so.2";
}  // namespace varve::libdaos
