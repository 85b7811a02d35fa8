/* Every documented error of the model functions, and what they say of a real model. */
#define _XOPEN_SOURCE 700 /* P_tmpdir too */

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "gguf_bytes.h"

static llmrt_status open_bytes(const void* bytes, int64_t size, llmrt_model** model) {
  llmrt_source* source = NULL;
  llmrt_status status;
  CHECK_OK(llmrt_source_create_memory(bytes, size, LLMRT_MEMORY_COPY, &source));
  status = llmrt_model_open(source, model);
  llmrt_source_release(source);
  return status;
}

static llmrt_status open_path(const char* path, int64_t offset, int64_t length) {
  llmrt_source* source = NULL;
  llmrt_model* model = NULL;
  llmrt_status status;
  CHECK_OK(llmrt_source_create_path(path, -1, offset, length, &source));
  status = llmrt_model_open(source, &model);
  CHECK((status == LLMRT_STATUS_OK) == (model != NULL));
  llmrt_source_release(source);
  llmrt_model_release(model);
  return status;
}

static int32_t cannot_read(void* user, int64_t offset, void* buffer, int64_t length) {
  (void)user, (void)offset, (void)buffer, (void)length;
  return 5;
}

static void open_tells_what_is_wrong_with_a_source(void) {
  llmrt_source* source = NULL;
  llmrt_model* model = NULL;
  CHECK_STATUS(open_path("no such file.gguf", 0, -1), LLMRT_STATUS_NOT_FOUND);
  CHECK_OK(llmrt_source_create_callback(cannot_read, NULL, 4096, &source));
  CHECK_STATUS(llmrt_model_open(source, &model), LLMRT_STATUS_UNAVAILABLE);
  CHECK_STATUS(llmrt_model_open(source, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  llmrt_source_release(source);
  CHECK_STATUS(llmrt_model_open(source, &model), LLMRT_STATUS_INVALID_HANDLE);
  CHECK(model == NULL);
}

/* Permissions do not bind the superuser, so a child that is nobody tries; it ends without exit
 * handlers, which belong to the parent. */
static void a_file_without_permission_is_denied(void) {
  enum { NOBODY = 65534 };
  char path[] = P_tmpdir "/abi_models_test_XXXXXX"; /* a folder that everybody may enter */
  const int file = mkstemp(path);
  pid_t child;
  int ended = 0;
  CHECK(file >= 0 && fchmod(file, 0) == 0);
  close(file);
  fflush(NULL);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    if (geteuid() == 0) CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    CHECK_STATUS(open_path(path, 0, -1), LLMRT_STATUS_PERMISSION_DENIED);
    _exit(check_failures == 0 ? 0 : 1);
  }
  CHECK(waitpid(child, &ended, 0) == child);
  CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  unlink(path);
}

static void corrupt_and_unknown_files_are_told_apart(void) {
  gguf_bytes bytes;
  llmrt_model* model = NULL;
  int64_t size;
  gguf_small_model(&bytes, "llama");
  for (size = 0; size < bytes.size; size += 7) {
    const llmrt_status status = open_bytes(bytes.data, size, &model);
    if (size < 4) {
      CHECK_STATUS(status, LLMRT_STATUS_INVALID_ARGUMENT);
    } else {
      CHECK_STATUS(status, LLMRT_STATUS_DATA_LOSS);
    }
  }
  CHECK_STATUS(open_bytes("just some text, no model at all", 31, &model),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(open_path(LLMRT_TEST_DATA_DIR, 0, -1), LLMRT_STATUS_INVALID_ARGUMENT);
  gguf_begin(&bytes, 99, 0, 0);
  CHECK_STATUS(open_bytes(bytes.data, bytes.size, &model), LLMRT_STATUS_UNIMPLEMENTED);
  gguf_begin(&bytes, 3, (uint64_t)1 << 60, 0);
  CHECK_STATUS(open_bytes(bytes.data, bytes.size, &model), LLMRT_STATUS_DATA_LOSS);
  CHECK(model == NULL);
}

static void a_model_without_tokenizer_says_so(void) {
  static const int32_t kTokens[] = {1, 2};
  gguf_bytes bytes;
  llmrt_model* model = NULL;
  llmrt_model_info info = {sizeof info};
  int64_t count = 0;
  gguf_small_model(&bytes, "llama");
  if (!CHECK_OK(open_bytes(bytes.data, bytes.size, &model))) return;
  CHECK_OK(llmrt_model_get_info(model, &info));
  CHECK(info.bos_id == -1 && info.eos_id == -1 && info.eot_id == -1);
  CHECK(info.num_tensors == 1 && info.num_parameters == 8 && info.context_length == 0);
  CHECK_STATUS(llmrt_model_tokenize(model, "a", -1, 0, NULL, 0, &count),
               LLMRT_STATUS_FAILED_PRECONDITION);
  CHECK_STATUS(llmrt_model_detokenize(model, kTokens, 2, NULL, 0, &count),
               LLMRT_STATUS_FAILED_PRECONDITION);
  llmrt_model_release(model);
}

static void a_tokenizer_that_is_not_known_says_so(void) {
  static const int32_t kTokens[] = {1, 2};
  gguf_bytes bytes;
  llmrt_model* model = NULL;
  llmrt_model_info info = {sizeof info};
  char value[16];
  int64_t count = 0;
  gguf_begin(&bytes, 3, 1, 3);
  gguf_key_string(&bytes, "general.architecture", "llama");
  gguf_key_string(&bytes, "tokenizer.ggml.model", "rwkv");
  gguf_key_strings(&bytes, "tokenizer.ggml.tokens", 3);
  gguf_tensor(&bytes, "output_norm.weight", 8);
  gguf_zeros(&bytes, 8);
  if (!CHECK_OK(open_bytes(bytes.data, bytes.size, &model))) return;
  CHECK_OK(llmrt_model_get_info(model, &info));
  CHECK(info.vocab_size == 3 && info.eos_id == -1);
  CHECK_OK(llmrt_model_metadata_value(model, "tokenizer.ggml.model", -1, value, 16, &count));
  CHECK(strcmp(value, "rwkv") == 0);
  CHECK_STATUS(llmrt_model_tokenize(model, "a", -1, 0, NULL, 0, &count),
               LLMRT_STATUS_UNIMPLEMENTED);
  CHECK(strstr(last_message(), "\"rwkv\" is not supported; use") != NULL);
  CHECK_STATUS(llmrt_model_detokenize(model, kTokens, 2, NULL, 0, &count),
               LLMRT_STATUS_UNIMPLEMENTED);
  llmrt_model_release(model);
}

/* Such a model cannot run, but says what it is. */
static void a_tensor_type_that_is_not_known_is_described(void) {
  gguf_bytes bytes;
  llmrt_model* model = NULL;
  llmrt_tensor_info tensor = {sizeof tensor};
  gguf_begin(&bytes, 3, 1, 0);
  gguf_put_string(&bytes, "blk.0.attn_q.weight");
  gguf_put_u32(&bytes, 2);
  gguf_put_u64(&bytes, 256);
  gguf_put_u64(&bytes, 3);
  gguf_put_u32(&bytes, 23);
  gguf_put_u64(&bytes, 0);
  gguf_zeros(&bytes, 128);
  if (!CHECK_OK(open_bytes(bytes.data, bytes.size, &model))) return;
  CHECK_OK(llmrt_model_tensor_info(model, 0, &tensor));
  CHECK(strcmp(tensor.type, "IQ4_XS") == 0 && tensor.numeric_class[0] == '\0');
  CHECK(tensor.num_dims == 2 && tensor.dims[0] == 256 && tensor.dims[1] == 3);
  CHECK(tensor.bytes == 0);
  llmrt_model_release(model);
}

static void plan_tells_why_a_model_does_not_run(void) {
  gguf_bytes bytes;
  llmrt_model* model = NULL;
  llmrt_plan plan = {sizeof plan};
  gguf_small_model(&bytes, "an-unknown-one");
  CHECK_OK(open_bytes(bytes.data, bytes.size, &model));
  CHECK_STATUS(llmrt_model_plan(model, NULL, &plan), LLMRT_STATUS_UNIMPLEMENTED);
  llmrt_model_release(model);
  model = NULL;
  gguf_small_model(&bytes, "llama"); /* which needs more keys and tensors */
  CHECK_OK(open_bytes(bytes.data, bytes.size, &model));
  CHECK_STATUS(llmrt_model_plan(model, NULL, &plan), LLMRT_STATUS_DATA_LOSS);
  llmrt_model_release(model);
}

/* A whole model, but for one type. */
static void plan_names_a_type_that_is_not_known(void) {
  static const char kName[] = "output_norm.weight";
  static char bytes[2 << 20];
  FILE* file = fopen(model_path(), "rb");
  const size_t size = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
  llmrt_model* model = NULL;
  llmrt_plan plan = {sizeof plan};
  size_t at = 0;
  if (file != NULL) fclose(file);
  CHECK(size > 0 && size < sizeof bytes);
  while (at + 64 < size && memcmp(bytes + at, kName, sizeof kName - 1) != 0) ++at;
  bytes[at + sizeof kName - 1 + 4 + 8] = 23; /* behind the number of dimensions and one of them */
  if (!CHECK_OK(open_bytes(bytes, (int64_t)size, &model))) return;
  CHECK_STATUS(llmrt_model_plan(model, NULL, &plan), LLMRT_STATUS_UNIMPLEMENTED);
  CHECK(strstr(last_message(), "\"output_norm.weight\" has type IQ4_XS, which is not") != NULL);
  CHECK(strstr(last_message(), "; use a file with F32, ") != NULL);
  llmrt_model_release(model);
}

static void plan_checks_its_options(llmrt_model* model) {
  llmrt_plan plan = {sizeof plan};
  llmrt_options* options = options_of(LLMRT_OPTIONS_ENGINE);
  llmrt_options* others = options_of(LLMRT_OPTIONS_STREAM);
  CHECK_OK(llmrt_model_plan(model, NULL, &plan));
  CHECK(plan.total_bytes ==
        plan.weights_bytes + plan.kv_bytes + plan.workspace_bytes + plan.heap_bytes);
  CHECK(plan.weights_bytes > 0 && plan.kv_blocks > 0 && plan.block_size == 16);
  CHECK(plan.read_bandwidth_bytes_per_second > 0 && plan.decode_tokens_per_second_ceiling > 0);
  CHECK_STATUS(llmrt_model_plan(model, NULL, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_plan(model, others, &plan), LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_plan(model, (llmrt_options*)model, &plan), LLMRT_STATUS_INVALID_HANDLE);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 1));
  CHECK_STATUS(llmrt_model_plan(model, options, &plan), LLMRT_STATUS_RESOURCE_EXHAUSTED);
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_MEMORY_BUDGET_BYTES, 0));
  CHECK_OK(llmrt_options_set_i64(options, LLMRT_ENGINE_CONTEXT_LENGTH, 1 << 30));
  CHECK_STATUS(llmrt_model_plan(model, options, &plan), LLMRT_STATUS_OUT_OF_RANGE);
  llmrt_options_release(options);
  llmrt_options_release(others);
}

static void metadata_is_listed_by_number_and_by_key(llmrt_model* model) {
  char key[256], value[4096];
  int64_t length = 0, i;
  llmrt_model_info info = {sizeof info};
  CHECK_OK(llmrt_model_get_info(model, &info));
  CHECK(info.num_metadata > 0 && info.num_tensors > 0 && info.num_parameters > 0);
  CHECK(info.vocab_size > 0 && info.context_length > 0 && info.file_bytes > 0);
  CHECK_STATUS(llmrt_model_get_info(model, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  for (i = 0; i < info.num_metadata; ++i) {
    CHECK_OK(llmrt_model_metadata_key(model, i, key, sizeof key, &length));
    CHECK_OK(llmrt_model_metadata_value(model, key, length, NULL, 0, &length));
  }
  CHECK_OK(llmrt_model_metadata_value(model, "general.architecture", -1, value, 4096, &length));
  CHECK(strcmp(value, "llama") == 0 && length == 5);
  CHECK_STATUS(llmrt_model_metadata_value(model, "general.architecture", -1, value, 2, &length),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(length == 5);
  CHECK_STATUS(llmrt_model_metadata_value(model, "no.such\nkey", -1, value, 4096, &length),
               LLMRT_STATUS_NOT_FOUND);
  CHECK_STATUS(llmrt_model_metadata_value(model, NULL, -1, value, 4096, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_metadata_value(model, "a", -5, value, 4096, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_metadata_value(model, "general.architecture", -1, value, 9, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_metadata_key(model, -1, key, sizeof key, &length),
               LLMRT_STATUS_NOT_FOUND);
  CHECK_STATUS(llmrt_model_metadata_key(model, info.num_metadata, key, sizeof key, &length),
               LLMRT_STATUS_NOT_FOUND);
  CHECK_STATUS(llmrt_model_metadata_key(model, 0, key, 0, &length), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_model_metadata_key(model, 0, key, -1, &length), LLMRT_STATUS_INVALID_ARGUMENT);
}

static void tensors_are_listed_by_number(llmrt_model* model) {
  char name[256];
  int64_t length = 0, i, parameters = 0;
  llmrt_model_info info = {sizeof info};
  CHECK_OK(llmrt_model_get_info(model, &info));
  for (i = 0; i < info.num_tensors; ++i) {
    llmrt_tensor_info tensor = {sizeof tensor};
    CHECK_OK(llmrt_model_tensor_name(model, i, name, sizeof name, &length));
    CHECK_OK(llmrt_model_tensor_info(model, i, &tensor));
    CHECK(tensor.num_dims >= 1 && tensor.num_dims <= 4 && tensor.bytes > 0);
    CHECK(tensor.type[0] != '\0' && tensor.numeric_class[0] != '\0');
    parameters += tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
  }
  CHECK(parameters == info.num_parameters);
  {
    llmrt_tensor_info tensor = {sizeof tensor};
    CHECK_STATUS(llmrt_model_tensor_info(model, i, &tensor), LLMRT_STATUS_NOT_FOUND);
    CHECK_STATUS(llmrt_model_tensor_info(model, INT64_MIN, &tensor), LLMRT_STATUS_NOT_FOUND);
    CHECK_STATUS(llmrt_model_tensor_info(model, 0, NULL), LLMRT_STATUS_INVALID_ARGUMENT);
  }
  CHECK_STATUS(llmrt_model_tensor_name(model, i, name, sizeof name, &length),
               LLMRT_STATUS_NOT_FOUND);
  CHECK_STATUS(llmrt_model_tensor_name(model, 0, name, 1, &length), LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_model_tensor_name(model, 0, NULL, 1, &length), LLMRT_STATUS_INVALID_ARGUMENT);
}

static void text_becomes_tokens_and_text_again(llmrt_model* model) {
  int32_t tokens[64];
  char text[256];
  int64_t count = 0, plain = 0, length = 0;
  CHECK_OK(llmrt_model_tokenize(model, "Once upon a time", -1, LLMRT_TEXT_PLAIN, NULL, 0, &plain));
  CHECK_OK(
      llmrt_model_tokenize(model, "Once upon a time", -1, LLMRT_TEXT_PLAIN, tokens, 64, &count));
  CHECK(count == plain && count > 0);
  CHECK_OK(llmrt_model_detokenize(model, tokens, count, text, sizeof text, &length));
  CHECK(length == 16 && strcmp(text, "Once upon a time") == 0);
  CHECK_STATUS(llmrt_model_detokenize(model, tokens, count, text, 15, &length),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(length == 16);
  CHECK_OK(llmrt_model_detokenize(model, NULL, 0, text, sizeof text, &length));
  CHECK(length == 0);
  CHECK_STATUS(llmrt_model_tokenize(model, "Once upon a time", -1, 0, tokens, 1, &count),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK(count >= plain);
  CHECK_STATUS(llmrt_model_tokenize(model, "a\xFFz", 3, 0, tokens, 64, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK(strstr(last_message(), "1") != NULL); /* the offset */
  CHECK_STATUS(llmrt_model_tokenize(model, "a", -1, 4, tokens, 64, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_tokenize(model, "a", -2, 0, tokens, 64, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_tokenize(model, NULL, 2, 0, tokens, 64, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_tokenize(model, "a", 1, 0, tokens, -1, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_tokenize(model, "a", 1, 0, NULL, 4, &count),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_tokenize(model, "a", 1, 0, tokens, 64, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
}

static void ids_outside_the_vocabulary_have_no_text(llmrt_model* model) {
  int32_t tokens[2] = {1, -1};
  char text[64];
  int64_t length = 0;
  llmrt_model_info info = {sizeof info};
  CHECK_OK(llmrt_model_get_info(model, &info));
  CHECK_STATUS(llmrt_model_detokenize(model, tokens, 2, text, 64, &length),
               LLMRT_STATUS_OUT_OF_RANGE);
  tokens[1] = info.vocab_size;
  CHECK_STATUS(llmrt_model_detokenize(model, tokens, 2, text, 64, &length),
               LLMRT_STATUS_OUT_OF_RANGE);
  CHECK_STATUS(llmrt_model_detokenize(model, tokens, -1, text, 64, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_detokenize(model, NULL, 1, text, 64, &length),
               LLMRT_STATUS_INVALID_ARGUMENT);
  CHECK_STATUS(llmrt_model_detokenize(model, tokens, 1, text, 64, NULL),
               LLMRT_STATUS_INVALID_ARGUMENT);
}

int main(void) {
  llmrt_source* source;
  llmrt_model* model = NULL;
  open_tells_what_is_wrong_with_a_source();
  a_file_without_permission_is_denied();
  corrupt_and_unknown_files_are_told_apart();
  a_model_without_tokenizer_says_so();
  a_tokenizer_that_is_not_known_says_so();
  a_tensor_type_that_is_not_known_is_described();
  plan_tells_why_a_model_does_not_run();
  if (model_path() == NULL) return check_failures ? check_result() : skip_without_model();
  CHECK_STATUS(open_path(model_path(), 0, 1000), LLMRT_STATUS_DATA_LOSS);
  CHECK_STATUS(open_path(model_path(), (int64_t)1 << 50, -1), LLMRT_STATUS_OUT_OF_RANGE);
  source = model_source();
  if (!CHECK_OK(llmrt_model_open(source, &model))) return check_result();
  llmrt_source_release(source); /* the model keeps what it needs */
  plan_names_a_type_that_is_not_known();
  plan_checks_its_options(model);
  metadata_is_listed_by_number_and_by_key(model);
  tensors_are_listed_by_number(model);
  text_becomes_tokens_and_text_again(model);
  ids_outside_the_vocabulary_have_no_text(model);
  llmrt_model_release(model);
  return check_result();
}
