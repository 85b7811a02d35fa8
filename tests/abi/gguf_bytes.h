/* Writes the headers of small GGUF files into memory, right and wrong ones. */
#ifndef LLMRT_TESTS_ABI_GGUF_BYTES_H_
#define LLMRT_TESTS_ABI_GGUF_BYTES_H_

#include <stdint.h>
#include <string.h>

typedef struct gguf_bytes {
  unsigned char data[4096];
  int64_t size;
} gguf_bytes;

static inline void gguf_put(gguf_bytes* out, const void* bytes, size_t size) {
  memcpy(out->data + out->size, bytes, size);
  out->size += (int64_t)size;
}

static inline void gguf_put_u32(gguf_bytes* out, uint32_t value) { gguf_put(out, &value, 4); }
static inline void gguf_put_u64(gguf_bytes* out, uint64_t value) { gguf_put(out, &value, 8); }

static inline void gguf_put_string(gguf_bytes* out, const char* text) {
  gguf_put_u64(out, strlen(text));
  gguf_put(out, text, strlen(text));
}

static inline void gguf_begin(gguf_bytes* out, uint32_t version, uint64_t tensors, uint64_t keys) {
  out->size = 0;
  gguf_put(out, "GGUF", 4);
  gguf_put_u32(out, version);
  gguf_put_u64(out, tensors);
  gguf_put_u64(out, keys);
}

/* Metadata: a string (value type 8) or a 32-bit unsigned integer (4). */
static inline void gguf_key_string(gguf_bytes* out, const char* key, const char* value) {
  gguf_put_string(out, key);
  gguf_put_u32(out, 8);
  gguf_put_string(out, value);
}

/* An array (9) of empty strings. */
static inline void gguf_key_strings(gguf_bytes* out, const char* key, uint64_t count) {
  gguf_put_string(out, key);
  gguf_put_u32(out, 9);
  gguf_put_u32(out, 8);
  gguf_put_u64(out, count);
  for (; count > 0; --count) gguf_put_string(out, "");
}

static inline void gguf_key_u32(gguf_bytes* out, const char* key, uint32_t value) {
  gguf_put_string(out, key);
  gguf_put_u32(out, 4);
  gguf_put_u32(out, value);
}

/* A directory entry of one float32 vector at the start of the data. */
static inline void gguf_tensor(gguf_bytes* out, const char* name, uint64_t values) {
  gguf_put_string(out, name);
  gguf_put_u32(out, 1);
  gguf_put_u64(out, values);
  gguf_put_u32(out, 0);
  gguf_put_u64(out, 0);
}

/* Pads to the data's alignment and appends `values` zeros of float32. */
static inline void gguf_zeros(gguf_bytes* out, int64_t values) {
  const int64_t begin = (out->size + 31) / 32 * 32;
  memset(out->data + out->size, 0, (size_t)(begin + 4 * values - out->size));
  out->size = begin + 4 * values;
}

/* A whole file with one vector, and an architecture that is not known if `architecture` is not. */
static inline void gguf_small_model(gguf_bytes* out, const char* architecture) {
  gguf_begin(out, 3, 1, 2);
  gguf_key_string(out, "general.architecture", architecture);
  gguf_key_u32(out, "general.alignment", 32);
  gguf_tensor(out, "output_norm.weight", 8);
  gguf_zeros(out, 8);
}

#endif
