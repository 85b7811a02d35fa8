#include "engine/build_name.h"

#include <cstdint>
#include <cstring>

#if defined(__linux__)
#include <elf.h>
#include <link.h>
#endif

namespace llmrt::engine {
namespace {

// Trivially destructible: a library that is unloaded must leave nothing to run.
struct Name {
  char text[64] = {};
  size_t length = 0;

  void Append(std::string_view part) {
    const size_t count = part.size() < sizeof(text) - length ? part.size() : sizeof(text) - length;
    std::memcpy(text + length, part.data(), count);
    length += count;
  }
};

#if defined(__linux__)

// Bytes of the id that are shown: enough to tell any two builds apart.
constexpr size_t kShownBytes = 6;

void AppendHex(const uint8_t* bytes, size_t count, Name& name) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < count; ++i) {
    const char pair[2] = {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
    name.Append({pair, 2});
  }
}

// Looks through one segment of notes; each is a header, a name and a description, padded to 4
// bytes.
bool AppendBuildId(const uint8_t* notes, size_t size, Name& name) {
  const auto padded = [](size_t bytes) { return (bytes + 3) / 4 * 4; };
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes, sizeof header);
    const size_t whole = sizeof header + padded(header.n_namesz) + padded(header.n_descsz);
    if (whole > size) return false;
    const uint8_t* id = notes + sizeof header + padded(header.n_namesz);
    const bool gnu =
        header.n_namesz == 4 && std::memcmp(notes + sizeof header, ELF_NOTE_GNU, 4) == 0;
    if (gnu && header.n_type == NT_GNU_BUILD_ID && header.n_descsz >= kShownBytes) {
      name.Append(" (");
      AppendHex(id, kShownBytes, name);
      name.Append(")");
      return true;
    }
    notes += whole;
    size -= whole;
  }
  return false;
}

// The linker's hash of the very file that this code was loaded from.
int VisitModule(dl_phdr_info* module, size_t, void* data) {
  const auto here = reinterpret_cast<uintptr_t>(&VisitModule);
  bool ours = false;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = module->dlpi_phdr[i];
    const uintptr_t begin = module->dlpi_addr + segment.p_vaddr;
    ours = ours || (segment.p_type == PT_LOAD && here >= begin && here - begin < segment.p_memsz);
  }
  if (!ours) return 0;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = module->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* notes = reinterpret_cast<const uint8_t*>(module->dlpi_addr + segment.p_vaddr);
    if (AppendBuildId(notes, segment.p_memsz, *static_cast<Name*>(data))) break;
  }
  return 1;
}

#endif  // defined(__linux__)

Name MakeName() {
  Name name;
  name.Append(LLMRT_BUILD_NAME);
#if defined(__linux__)
  dl_iterate_phdr(VisitModule, &name);
#endif
  return name;
}

}  // namespace

std::string_view BuildName() {
  static const Name name = MakeName();
  return {name.text, name.length};
}

}  // namespace llmrt::engine
