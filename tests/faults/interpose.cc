#include "tests/faults/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

// What glibc's malloc is called behind the names that this program takes over.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* pointer, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* pointer);
}

namespace llmrt::faults {
namespace {

// Plain atomics only: this code runs inside malloc, before main too.
std::atomic<uintptr_t> library_begin{0}, library_end{0};
std::atomic<int64_t> calls[kSiteCount];
std::atomic<int64_t> target{-1};
std::atomic<int> target_site{0};
std::atomic<int> target_mode{0};
std::atomic<bool> fired{false};
std::atomic<int64_t> live{0};
// Places: of the calls that are being noted, of the one that is to fail, of the one that did.
constexpr int64_t kNotedMax = 1 << 16;
std::atomic<Place> noted[kNotedMax];
std::atomic<int64_t> num_noted{0};
std::atomic<int> noted_site{-1};
std::atomic<Place> target_place{0};
std::atomic<int64_t> calls_at_target{0};
std::atomic<Place> fired_place{0};

// Blocks of the library carry a header, so that a free from anywhere knows whose block it gets.
constexpr uint64_t kOurs = 0x6C6C6D727466616C;
constexpr uint64_t kOther = 0x6F746865726F7468;

struct Header {
  uint64_t owner;
  void* base;  // what glibc returned
  size_t bytes;
  size_t unused;
};
static_assert(sizeof(Header) == 32);  // keeps malloc's alignment

bool FromLibrary(const void* return_address) {
  const auto address = reinterpret_cast<uintptr_t>(return_address);
  return address >= library_begin.load(std::memory_order_relaxed) &&
         address < library_end.load(std::memory_order_relaxed);
}

// FNV-1a over the offsets of the return addresses. Never 0.
Place PlaceOfCall() {
  constexpr int kFramesMax = 64;
  void* frames[kFramesMax];
  const int count = backtrace(frames, kFramesMax);
  Place place = 0xcbf29ce484222325;
  for (int i = 0; i < count; ++i) {
    if (!FromLibrary(frames[i])) continue;
    place = (place ^ (reinterpret_cast<uintptr_t>(frames[i]) - library_begin.load())) *
            uint64_t{0x100000001b3};
  }
  return place | 1;
}

void Note(Site site) {
  if (noted_site.load(std::memory_order_relaxed) != static_cast<int>(site)) return;
  const int64_t index = num_noted.fetch_add(1);
  if (index < kNotedMax) noted[index].store(PlaceOfCall());
}

// The number that counts: among all calls, or among those from one place.
int64_t NumberOf(int64_t call) {
  const Place place = target_place.load();
  if (place == 0) return call;
  return PlaceOfCall() == place ? calls_at_target.fetch_add(1) : -1;
}

bool MustFail(Site site) {
  const int64_t call = calls[static_cast<int>(site)].fetch_add(1);
  Note(site);
  const int64_t n = target.load();
  if (n < 0 || target_site.load() != static_cast<int>(site)) return false;
  if (target_place.load() != 0 && fired.load()) return false;
  const int64_t number = NumberOf(call);
  const bool fails =
      target_mode.load() == static_cast<int>(Mode::kForever) ? number >= n : number == n;
  if (fails) {
    fired.store(true);
    fired_place.store(PlaceOfCall());
  }
  return fails;
}

void* Allocate(size_t bytes, size_t alignment, const void* caller) {
  const bool ours = FromLibrary(caller);
  if (ours && MustFail(Site::kAllocation)) {
    errno = ENOMEM;
    return nullptr;
  }
  if (alignment < sizeof(Header)) alignment = sizeof(Header);
  if (bytes > SIZE_MAX - 2 * alignment) {
    errno = ENOMEM;
    return nullptr;
  }
  char* base =
      static_cast<char*>(alignment > sizeof(Header) ? __libc_memalign(alignment, bytes + alignment)
                                                    : __libc_malloc(bytes + alignment));
  if (base == nullptr) return nullptr;
  char* block = base + alignment;
  auto* header = reinterpret_cast<Header*>(block) - 1;
  header->owner = ours ? kOurs : kOther;
  header->base = base;
  header->bytes = bytes;
  if (ours) live.fetch_add(1);
  return block;
}

Header* HeaderOf(void* pointer) { return static_cast<Header*>(pointer) - 1; }

int FindLibrary(dl_phdr_info* info, size_t, void* data) {
  const auto address = reinterpret_cast<uintptr_t>(*static_cast<const void**>(data));
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    begin = std::min<uintptr_t>(begin, info->dlpi_addr + segment.p_vaddr);
    end = std::max<uintptr_t>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  if (address < begin || address >= end) return 0;
  library_begin.store(begin);
  library_end.store(end);
  return 1;
}

}  // namespace

void WatchLibraryOf(const void* function) {
  dl_iterate_phdr(FindLibrary, &function);
  PlaceOfCall();  // the first walk of a stack loads what it needs
}

void Arm(Site site, int64_t n, Mode mode) {
  target.store(-1);
  for (auto& count : calls) count.store(0);
  fired.store(false);
  fired_place.store(0);
  target_place.store(0);
  noted_site.store(-1);
  target_site.store(static_cast<int>(site));
  target_mode.store(static_cast<int>(mode));
  target.store(n);
}

void ArmAt(Site site, Place place, int64_t n) {
  Arm(site, -1, Mode::kOnce);
  calls_at_target.store(0);
  target_place.store(place);
  target.store(n);
}

void NotePlaces(Site site) {
  Arm(site, -1, Mode::kOnce);
  num_noted.store(0);
  noted_site.store(static_cast<int>(site));
}

std::vector<Place> NotedPlaces() { return {noted, noted + std::min(num_noted.load(), kNotedMax)}; }

Place FiredPlace() { return fired_place.load(); }

bool ReadFails(const void* caller) { return FromLibrary(caller) && MustFail(Site::kRead); }
bool ReadsAreShort() { return target_mode.load() == static_cast<int>(Mode::kShort); }
bool ThreadStartFails(const void* caller) {
  return FromLibrary(caller) && MustFail(Site::kThreadStart);
}

void Disarm() { target.store(-1); }
int64_t Calls(Site site) { return calls[static_cast<int>(site)].load(); }
bool Fired() { return fired.load(); }
int64_t LiveAllocations() { return live.load(); }

}  // namespace llmrt::faults

using llmrt::faults::Allocate;
using llmrt::faults::FromLibrary;
using llmrt::faults::HeaderOf;
using llmrt::faults::MustFail;

// Visible to the library, which is what the whole file is for.
#pragma GCC visibility push(default)

extern "C" {

void* malloc(size_t bytes) { return Allocate(bytes, 16, __builtin_return_address(0)); }

void* calloc(size_t count, size_t bytes) {
  if (bytes != 0 && count > SIZE_MAX / bytes) return nullptr;
  void* block = Allocate(count * bytes, 16, __builtin_return_address(0));
  if (block != nullptr) memset(block, 0, count * bytes);
  return block;
}

void free(void* pointer) {
  if (pointer == nullptr) return;
  auto* header = HeaderOf(pointer);
  if (header->owner == llmrt::faults::kOurs) llmrt::faults::live.fetch_sub(1);
  __libc_free(header->base);
}

void* realloc(void* pointer, size_t bytes) {
  void* block = Allocate(bytes, 16, __builtin_return_address(0));
  if (block == nullptr || pointer == nullptr) return block;
  memcpy(block, pointer, std::min(HeaderOf(pointer)->bytes, bytes));
  free(pointer);
  return block;
}

size_t malloc_usable_size(void* pointer) {
  return pointer == nullptr ? 0 : HeaderOf(pointer)->bytes;
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  return Allocate(bytes, alignment, __builtin_return_address(0));
}

void* memalign(size_t alignment, size_t bytes) {
  return Allocate(bytes, alignment, __builtin_return_address(0));
}

int posix_memalign(void** out, size_t alignment, size_t bytes) {
  void* block = Allocate(bytes, alignment, __builtin_return_address(0));
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}

ssize_t pread64(int file, void* buffer, size_t bytes, off64_t offset) {
  using Function = ssize_t (*)(int, void*, size_t, off64_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pread64"));
  if (llmrt::faults::ReadFails(__builtin_return_address(0))) {
    if (llmrt::faults::ReadsAreShort()) return 0;
    errno = EIO;
    return -1;
  }
  return real(file, buffer, bytes, offset);
}

ssize_t pread(int file, void* buffer, size_t bytes, off_t offset) {
  using Function = ssize_t (*)(int, void*, size_t, off_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pread"));
  if (llmrt::faults::ReadFails(__builtin_return_address(0))) {
    if (llmrt::faults::ReadsAreShort()) return 0;
    errno = EIO;
    return -1;
  }
  return real(file, buffer, bytes, offset);
}

// Large memory of the library. Mappings of files are not counted: these tests make none.
void* mmap(void* hint, size_t bytes, int access, int flags, int file, off_t offset) {
  using Function = void* (*)(void*, size_t, int, int, int, off_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "mmap"));
  const bool ours = FromLibrary(__builtin_return_address(0));
  if (ours && MustFail(llmrt::faults::Site::kAllocation)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void* const memory = real(hint, bytes, access, flags, file, offset);
  if (ours && memory != MAP_FAILED) llmrt::faults::live.fetch_add(1);
  return memory;
}

int munmap(void* memory, size_t bytes) {
  using Function = int (*)(void*, size_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "munmap"));
  if (FromLibrary(__builtin_return_address(0))) llmrt::faults::live.fetch_sub(1);
  return real(memory, bytes);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) {
  using Function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_create"));
  if (llmrt::faults::ThreadStartFails(__builtin_return_address(0))) return EAGAIN;
  return real(thread, attributes, run, argument);
}

}  // extern "C"

#pragma GCC visibility pop
