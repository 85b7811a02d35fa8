// What the shared library gives back when the host unloads it (dlclose), beyond what static
// destructors do. Linked into libllmrt.so alone: programs that link the static libraries have the
// C++ run time for themselves.

#include <cstddef>

#if defined(__GLIBCXX__)
namespace __gnu_cxx {
// Part of libstdc++, which declares it in no public header.
void __freeres();
}  // namespace __gnu_cxx
#endif

namespace {

// The statically linked C++ run time allocates a pool of 72 KiB at load time, to throw bad_alloc
// from when malloc fails. Nothing frees it at unload, so a host that loads and unloads plugins
// would lose it each time. Destructor functions run after the destructors of static objects, so
// nothing of ours can throw any more.
__attribute__((destructor)) void FreeCxxRuntimePool() {
#if defined(__GLIBCXX__)
  __gnu_cxx::__freeres();
#endif
}

}  // namespace
