// A shared library has a source of its own; everything else comes from the static libraries.
namespace varve::native {
extern const char kSharedLibrary[];
const char kSharedLibrary[] = "libvarve.so.0";
}  // namespace varve::native
