/*
 * llmrt.h: large language models inside your process.
 *
 * One shared library, this one C99 header, no global state, no telemetry. A host opens an ENGINE
 * (one loaded model), SESSIONS (one conversation and its KV cache each) and STREAMS (one generation
 * in flight each). Streams are polled or waited on; nothing blocks unless asked to, and nothing
 * ever aborts, exits, prints, raises a signal or throws into the host.
 *
 * The shortest program (samples/first_token.c is this, with error checks):
 *
 *     llmrt_source_create_path("model.gguf", -1, 0, -1, &source);
 *     llmrt_engine_create(source, NULL, &engine);
 *     llmrt_engine_wait_load(engine, -1);
 *     llmrt_session_create(engine, NULL, &session);
 *     llmrt_session_append_text(session, "Once upon a time", -1, 0);
 *     llmrt_session_submit(session, NULL, &stream);
 *     while (result.finish_reason == LLMRT_FINISH_NONE) {
 *       llmrt_stream_wait(stream, -1);
 *       llmrt_stream_read(stream, NULL, NULL, 0, text, sizeof text, &result);
 *       fwrite(text, 1, (size_t)result.text_bytes, stdout);
 *     }
 *
 * CONVENTIONS, which hold for every function unless it says otherwise
 *
 * STATUS. Functions return a status; LLMRT_STATUS_OK is 0. On any other value no output is written,
 * except a required length, and llmrt_last_message() holds one line that names the value, the limit
 * and the remedy.
 *
 * HANDLES. Opaque values, never dereferenced: type tag, slot and generation. A stale, foreign or
 * mistyped handle gives LLMRT_STATUS_INVALID_HANDLE, never undefined behaviour. NULL is no handle:
 * passing it where one is needed gives INVALID_HANDLE too; every release accepts NULL.
 *
 * OWNERSHIP. A handle that a create, open, submit or get function returns belongs to the caller,
 * who gives it back with its release function, in any order, on any thread. Children keep what they
 * need alive. Pointers that a caller passes in are read during the call only, except borrowed
 * memory sources and callbacks. Everything is released or closed before the library is unloaded.
 *
 * THREAD SAFETY. Every function may be called from any thread at any time, without a lock, unless
 * it says otherwise. None waits for a kernel, except those named wait or step, model_open,
 * model_plan and the final freeing inside close and release. The calling thread's floating-point
 * mode is put back.
 *
 * TEXT. UTF-8, pointer and length in bytes; an input length of -1 means NUL-terminated, and NULL
 * with length 0 is the empty text. Text outputs take (buffer, capacity, length): `length` receives
 * the full length in bytes without a terminating NUL, which is added where there is room. A
 * capacity that is too small gives OUT_OF_RANGE, with `length` written; buffer NULL with capacity 0
 * asks for the length and gives OK.
 *
 * STRUCTS. Outputs only. The caller sets struct_size = sizeof(the struct) before the call; the
 * library writes the fields that fit, so that old programs run on newer libraries and the other way
 * round. struct_size itself stays as the caller set it.
 *
 * NUMBERS. Times are in microseconds or milliseconds as named (_us, _ms), sizes in bytes (_bytes).
 * A timeout of -1 waits without limit, 0 does not wait.
 *
 * ERRORS. Besides what a function lists, every function may return INVALID_HANDLE, INVALID_ARGUMENT
 * (a NULL output; a negative length, count, capacity or timeout where none is offered; NULL with a
 * length or capacity other than 0; a struct_size of less than 4), RESOURCE_EXHAUSTED (no memory for
 * a small object) and INTERNAL (a bug of this library).
 *
 * DESIGN NOTES: what will be added, so that nothing here has to change
 *
 * New options are new keys; new statistics are new fields at the end of structs; new capabilities
 * are new functions. Room is kept for: snapshots of sessions (session functions),
 * adapters (an engine-level handle, chosen in session options), grammars (a compiled handle, chosen
 * in stream options), embeddings and multimodal spans (further session_append functions), a draft
 * model (engine options), device lists (DEVICE is text), suspend and resume of weights, a
 * change of the memory budget at run time, affinity and priority of threads, token masks and a
 * logit processor of the host, callbacks for ready streams and log records, streams
 * that drop their oldest tokens instead of pausing (with an event that says so), and a word that
 * forbids AMX (TIER is text). Unstable functions are named llmrt_x_ and stay outside every promise
 * made here.
 */
#ifndef LLMRT_H_
#define LLMRT_H_

#include <stdint.h>

#if defined(LLMRT_STATIC)
#define LLMRT_API
#elif defined(_WIN32)
#ifdef LLMRT_BUILDING
#define LLMRT_API __declspec(dllexport)
#else
#define LLMRT_API __declspec(dllimport)
#endif
#else
#define LLMRT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Number of the ABI that this header describes; equals the number in the library's SONAME. */
#define LLMRT_ABI_VERSION 1

/* ------------------------------------------------------------------------------------------------
 * Types
 * ---------------------------------------------------------------------------------------------- */

typedef struct llmrt_options llmrt_options;
typedef struct llmrt_source llmrt_source;
typedef struct llmrt_model llmrt_model;
typedef struct llmrt_engine llmrt_engine;
typedef struct llmrt_session llmrt_session;
typedef struct llmrt_stream llmrt_stream;

/* Canonical codes have their usual numbers; own codes start at 100. */
typedef enum llmrt_status {
  LLMRT_STATUS_OK = 0,
  LLMRT_STATUS_CANCELLED = 1,
  LLMRT_STATUS_UNKNOWN = 2,
  LLMRT_STATUS_INVALID_ARGUMENT = 3,  /* the call is wrong whatever the state */
  LLMRT_STATUS_DEADLINE_EXCEEDED = 4, /* a timeout passed */
  LLMRT_STATUS_NOT_FOUND = 5,
  LLMRT_STATUS_ALREADY_EXISTS = 6,
  LLMRT_STATUS_PERMISSION_DENIED = 7,
  LLMRT_STATUS_RESOURCE_EXHAUSTED = 8,  /* it is full now: free something or wait */
  LLMRT_STATUS_FAILED_PRECONDITION = 9, /* not in this state */
  LLMRT_STATUS_ABORTED = 10,
  LLMRT_STATUS_OUT_OF_RANGE = 11,  /* it never fits; also: the end of a stream was read */
  LLMRT_STATUS_UNIMPLEMENTED = 12, /* unknown key or feature */
  LLMRT_STATUS_INTERNAL = 13,
  LLMRT_STATUS_UNAVAILABLE = 14, /* somebody else does it now; a read error */
  LLMRT_STATUS_DATA_LOSS = 15,   /* a file that is corrupt, cut short or lying */
  LLMRT_STATUS_INVALID_HANDLE = 100,
  LLMRT_STATUS_ENGINE_UNHEALTHY = 101, /* a device failed; the engine only closes from here on */
  LLMRT_STATUS_FORCE_INT32 = 0x7fffffff
} llmrt_status;

/* ------------------------------------------------------------------------------------------------
 * Version and messages
 *
 * Ownership: nothing is handed over; the table of llmrt_get_api lives as long as the library.
 * Thread safety: any thread; the last message is each thread's own.
 * Errors: those of every function, and what each lists.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

/* The ABI number of the library that runs. Cannot fail. */
LLMRT_API int32_t llmrt_abi_version(void);

/* The build's version and id as text: "0.1.0 (3f2a91c)". Errors: OUT_OF_RANGE (capacity). */
LLMRT_API llmrt_status llmrt_version(char* buffer, int64_t capacity, int64_t* length);

/*
 * The message of this thread's last failed call; empty if the last call succeeded. Every function
 * clears it on entry, except this one and the release functions. It has at most 1023 bytes. Errors:
 * OUT_OF_RANGE (capacity); they leave the message alone.
 */
LLMRT_API llmrt_status llmrt_last_message(char* buffer, int64_t capacity, int64_t* length);

/* ------------------------------------------------------------------------------------------------
 * Options
 *
 * An options object is a set of typed values by key, for one kind of thing. Functions that take
 * options copy them; NULL means all defaults. Keys that were never set have their defaults.
 *
 * Ownership: the caller owns the object and releases it; set_bytes copies.
 * Thread safety: any thread; concurrent setters on one object leave one of their values.
 * Errors: UNIMPLEMENTED for a key that this library does not know, that belongs to another kind or
 *   that has another type; OUT_OF_RANGE for a value outside the bounds, or between them where the
 *   key takes only some (BLOCK_SIZE 16 and 32, TEMPERATURE 0 and 1e-6 upwards).
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef enum llmrt_options_kind {
  LLMRT_OPTIONS_ENGINE = 1,
  LLMRT_OPTIONS_SESSION = 2,
  LLMRT_OPTIONS_STREAM = 3,
  LLMRT_OPTIONS_KIND_FORCE_INT32 = 0x7fffffff
} llmrt_options_kind;

typedef enum llmrt_option {
  /* Engine. i64 unless said; the default in brackets. */
  /* bytes: "cpu"; "cuda:N", CUDA's device N, or "cuda", its first; "auto": that one if its plugin
   * is there and it runs and holds the model, else the CPU (the log says which, and why) ["auto"]
   */
  LLMRT_ENGINE_DEVICE = 1,
  LLMRT_ENGINE_THREADS =
      2, /* compute threads, the caller's included; 0: one a core [0]; CPU only */
  LLMRT_ENGINE_MEMORY_BUDGET_BYTES = 3, /* for weights, KV, workspace and heap; 0: no limit [0] */
  LLMRT_ENGINE_CONTEXT_LENGTH = 4,      /* tokens a session may hold; 0: the model's [0] */
  LLMRT_ENGINE_SESSIONS = 5,            /* full contexts that KV memory is planned for [1] */
  LLMRT_ENGINE_KV_TYPE = 6,  /* bytes: "f32", "f16", "bf16" ["f16"]; f32 if numerics: reference */
  LLMRT_ENGINE_NUMERICS = 7, /* bytes: "exact", "fast", "reference" ["exact"] */
  /* bytes: "portable", "avx2", "avx512", "vnni", "amx", ""; "": the best ["" ]; CPU only. Where the
   * processor has AMX, "amx" and "" ask the system for the process' permission to use it, after
   * which alternate signal stacks must be larger (some 11 KB); "vnni" does not ask. */
  LLMRT_ENGINE_TIER = 8,
  LLMRT_ENGINE_MMAP = 9,         /* 1: map files; a file that shrinks then kills the process [0] */
  LLMRT_ENGINE_PUMPED = 10,      /* 1: the host calls llmrt_engine_step; 0: own thread [0] */
  LLMRT_ENGINE_BLOCK_SIZE = 11,  /* tokens of a KV block: 16 or 32 [16] */
  LLMRT_ENGINE_STEP_TOKENS = 12, /* rows a step may hold; prompts are cut into such chunks [512] */
  LLMRT_ENGINE_LOG_LEVEL = 13,   /* llmrt_log_level that is kept [LLMRT_LOG_INFO] */
  LLMRT_ENGINE_TPOT_TARGET_MS = 14, /* wanted between tokens while prompts run; 0: none [100] */
  /* bytes: UTF-8 path of the folder of the plugin, libllmrt_cuda.so.VERSION, which devices "cuda"
   * and "auto" load; "": the folder of the file that this library was loaded from [""]. It must be
   * of the same build: the load gives NOT_FOUND without it, FAILED_PRECONDITION with another. Not
   * UTF-8, or a NUL in it: INVALID_ARGUMENT. */
  LLMRT_ENGINE_PLUGIN_FOLDER = 15,
  /* The host's CUcontext of the device, as a number; 0: one of the library's own [0]. The host
   * keeps it alive until the engine is closed or freed. One of another device: INVALID_ARGUMENT of
   * the load. On every thread the current context is what it was when a call returns. CUDA only. */
  LLMRT_ENGINE_CUDA_CONTEXT = 16,
  /* A CUstream of CUDA_CONTEXT, as a number, that work is put on in the order of the steps; 0: one
   * of the library's own [0]. Kept alive like the context; without one: INVALID_ARGUMENT of the
   * load. CUDA only. */
  LLMRT_ENGINE_CUDA_STREAM = 17,
  /* Speculation: tokens are guessed, and several guesses checked in one step. It changes no token
   * and no log-probability, only how long they take; how many guesses pay is measured. Tokens that
   * a step may guess for one stream, 0 to 16; 0: none, and no memory for it; -1: 8 with
   * DRAFT_LOOKUP, else 0 [-1]. */
  LLMRT_ENGINE_DRAFT_MAX = 18,
  /* 1: guesses come from the session's own text, where its last tokens stood before; some 12 bytes
   * a token of each session's context [0] */
  LLMRT_ENGINE_DRAFT_LOOKUP = 19,

  /* Session. */
  LLMRT_SESSION_CONTEXT_LENGTH = 1001, /* tokens; 0: the engine's [0] */
  LLMRT_SESSION_CONTEXT_POLICY = 1002, /* llmrt_context_policy [LLMRT_CONTEXT_STOP] */

  /* Stream. */
  LLMRT_STREAM_MAX_TOKENS = 2001,         /* tokens to generate; -1: until another reason [-1] */
  LLMRT_STREAM_TEMPERATURE = 2002,        /* f64; 0: greedy [0.0] */
  LLMRT_STREAM_TOP_K = 2003,              /* 0: off [0] */
  LLMRT_STREAM_TOP_P = 2004,              /* f64; 1: off [1.0] */
  LLMRT_STREAM_MIN_P = 2005,              /* f64; 0: off [0.0] */
  LLMRT_STREAM_REPETITION_PENALTY = 2006, /* f64; 1: off [1.0] */
  LLMRT_STREAM_PRESENCE_PENALTY = 2007,   /* f64; 0: off [0.0] */
  LLMRT_STREAM_FREQUENCY_PENALTY = 2008,  /* f64; 0: off [0.0] */
  LLMRT_STREAM_PENALTY_WINDOW =
      2009,                 /* last tokens of the session that penalties see; -1: all [64] */
  LLMRT_STREAM_SEED = 2010, /* never set: a random one, reported in llmrt_stream_info */
  LLMRT_STREAM_SAMPLE_INDEX = 2011,    /* another draw of the same seed: 0, 1, ... [0] */
  LLMRT_STREAM_LOGIT_BIAS = 2012,      /* bytes: int32 id, float32 bias (-inf: never), ... */
  LLMRT_STREAM_STOP_TOKENS = 2013,     /* bytes: int32 ids that end the stream and are not shown */
  LLMRT_STREAM_STOP_STRINGS = 2014,    /* bytes: UTF-8 strings, each followed by a NUL */
  LLMRT_STREAM_IGNORE_EOS = 2015,      /* 1: the model's own end tokens do not end it [0] */
  LLMRT_STREAM_LOGPROBS = 2016,        /* 1: log-probabilities of chosen tokens [0] */
  LLMRT_STREAM_TOP_LOGPROBS = 2017,    /* n best a position, 0 to 20 [0] */
  LLMRT_STREAM_PROMPT_LOGPROBS = 2018, /* 1: log-probabilities of the prompt's tokens too [0] */
  LLMRT_STREAM_RAW_BYTES = 2019,       /* 1: text as raw token bytes, characters may be cut [0] */
  /* Unread tokens after which the stream pauses, until half of them are read [4096]. */
  LLMRT_STREAM_QUEUE_TOKENS = 2020,
  LLMRT_STREAM_DRAFT_MAX = 2021, /* as DRAFT_MAX of the engine, at most that; -1: that [-1] */
  /* bytes: int32 ids that the stream says first, in this order, whatever is drawn: to replay what
   * was recorded, and to measure. Log-probabilities are theirs. */
  LLMRT_STREAM_FORCED_TOKENS = 2022,
  LLMRT_OPTION_FORCE_INT32 = 0x7fffffff
} llmrt_option;

typedef enum llmrt_context_policy {
  LLMRT_CONTEXT_STOP = 0, /* a full context ends the stream with LLMRT_FINISH_CONTEXT_FULL */
  LLMRT_CONTEXT_POLICY_FORCE_INT32 = 0x7fffffff
} llmrt_context_policy;

/* Makes an empty set for `kind` (llmrt_options_kind). Errors: INVALID_ARGUMENT (unknown kind). */
LLMRT_API llmrt_status llmrt_options_create(int32_t kind, llmrt_options** options);
/* Sets an integer. */
LLMRT_API llmrt_status llmrt_options_set_i64(llmrt_options* options, int32_t key, int64_t value);
/* Sets a number; NaN and infinities give OUT_OF_RANGE. */
LLMRT_API llmrt_status llmrt_options_set_f64(llmrt_options* options, int32_t key, double value);
/*
 * Sets bytes, at most 1 MiB of them (more: OUT_OF_RANGE). A value of the wrong form (an unknown
 * word, a cut pair) gives INVALID_ARGUMENT. Length -1 is for the keys that take a word.
 */
LLMRT_API llmrt_status llmrt_options_set_bytes(llmrt_options* options, int32_t key,
                                               const void* bytes, int64_t length);
/* The value, or the default where none was set. A seed that was not set: NOT_FOUND. */
LLMRT_API llmrt_status llmrt_options_get_i64(llmrt_options* options, int32_t key, int64_t* value);
LLMRT_API llmrt_status llmrt_options_get_f64(llmrt_options* options, int32_t key, double* value);
LLMRT_API llmrt_status llmrt_options_get_bytes(llmrt_options* options, int32_t key, void* buffer,
                                               int64_t capacity, int64_t* length);
/* The least and greatest value that a key takes, and whether this library knows it at all. */
LLMRT_API llmrt_status llmrt_options_bounds_i64(int32_t key, int64_t* minimum, int64_t* maximum);
LLMRT_API llmrt_status llmrt_options_bounds_f64(int32_t key, double* minimum, double* maximum);
/*
 * Memory hooks. `allocate` returns `bytes` bytes on a boundary of `alignment`, or NULL; `tag` is 0
 * weights, 1 KV, 2 workspace. `release` gets what allocate returned, with the same bytes and tag.
 * They are called from any thread, must not call into the library, and with `user` must stay valid
 * until the engine is closed or freed. Memory of a CUDA device and what its driver pins is counted
 * like the rest, but comes from the driver.
 */
typedef void* (*llmrt_allocate)(void* user, int64_t bytes, int64_t alignment, int32_t tag);
typedef void (*llmrt_deallocate)(void* user, void* pointer, int64_t bytes, int32_t tag);
/*
 * Engine options only: large memory (weights, KV, workspace) comes from the host. Both NULL: the
 * library's own. Errors: INVALID_ARGUMENT (one of the two is NULL), UNIMPLEMENTED (not engine
 * options).
 */
LLMRT_API llmrt_status llmrt_options_set_memory_hook(llmrt_options* options,
                                                     llmrt_allocate allocate,
                                                     llmrt_deallocate release, void* user);
/*
 * The host's job system. `submit` has job(context) run once, on any of the host's threads, soon,
 * late or never, also inside the call; it returns 0, or another value if it will not run the job.
 * A job works with the engine while work comes without a pause, then returns; it keeps the thread's
 * floating-point mode, and its signals are the host's business. `submit` is called from the thread
 * that loads, plans or turns steps; it and the job's caller must not call into the library, and
 * with `user` it must stay valid until the engine is closed or freed. A job may be run after that,
 * and does nothing; the library must still be loaded. One that is never run keeps some 64 bytes.
 */
typedef void (*llmrt_job)(void* context);
typedef int32_t (*llmrt_submit_job)(void* user, llmrt_job job, void* context);
/*
 * Engine options only: compute threads come from the host, so the library starts none but the
 * engine's own (that of the load, where the host pumps). At most THREADS - 1 jobs are out at a
 * time; with fewer, or none, the calling thread does their share. NULL: the library's own threads.
 * Errors: UNIMPLEMENTED (not engine options).
 */
LLMRT_API llmrt_status llmrt_options_set_job_hook(llmrt_options* options, llmrt_submit_job submit,
                                                  void* user);
/*
 * The host's own drafter of one stream: guesses what the stream will say, for answers that the host
 * half knows (templates, completions, scripts of a game). It reads the session's tokens so far,
 * `history[0, num_history)`, writes at most `capacity` token ids to `tokens` and returns how many;
 * 0: no idea; negative: it failed. A wrong guess costs time and changes nothing.
 *
 * It is called between two steps, on the engine's thread or the one that pumps, which waits for it:
 * it should return within microseconds. It must not call into the library. With `user` it must stay
 * valid until the stream's terminal event has been read, or get_info has said FINISHED; of a stream
 * that is released before, until the engine is closed. One that
 * fails, or returns what is no token, is not called again for this stream: a warning in the log
 * says why, and the stream goes on.
 */
typedef int64_t (*llmrt_draft)(void* user, const int32_t* history, int64_t num_history,
                               int32_t* tokens, int64_t capacity);
/*
 * Stream options only. NULL: none. The engine needs room for drafts, DRAFT_MAX; without it submit
 * gives FAILED_PRECONDITION. Errors: UNIMPLEMENTED (not stream options).
 */
LLMRT_API llmrt_status llmrt_options_set_drafter(llmrt_options* options, llmrt_draft draft,
                                                 void* user);
/* Gives the options object back; NULL is a no-op. */
LLMRT_API void llmrt_options_release(llmrt_options* options);

/* ------------------------------------------------------------------------------------------------
 * Sources: where a model's bytes come from
 *
 * Ownership: the caller owns the source and releases it; models and engines keep what they need of
 *   it. Borrowed memory and a callback's `user` must live until the library no longer reads: until
 *   every model and engine made from the source is released or closed.
 * Thread safety: any thread. The read callback is called from within model_open and, in a load, by
 *   one thread of the library's, never by a job of the host's; one call at a time for each source.
 * Errors: creating does not open anything, so a missing file shows in model_open or in the load. An
 *   empty path or name, or one with a NUL in it, gives INVALID_ARGUMENT.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef enum llmrt_memory_mode {
  LLMRT_MEMORY_BORROW = 0,
  LLMRT_MEMORY_COPY = 1,
  LLMRT_MEMORY_MODE_FORCE_INT32 = 0x7fffffff
} llmrt_memory_mode;

/*
 * Fills buffer[0, length) from `offset` of the host's data and returns 0; anything else is a read
 * error, which ends the load with UNAVAILABLE. It must not call into the library.
 */
typedef int32_t (*llmrt_read_at)(void* user, int64_t offset, void* buffer, int64_t length);

/*
 * A file, or `length` bytes of it from `offset` (a model inside an asset pack; -1: to the end). The
 * path is UTF-8 on every system. The further files of a split model are looked for beside it.
 */
LLMRT_API llmrt_status llmrt_source_create_path(const char* path, int64_t path_length,
                                                int64_t offset, int64_t length,
                                                llmrt_source** source);
/* Memory, borrowed or copied at once; `mode` is an llmrt_memory_mode. */
LLMRT_API llmrt_status llmrt_source_create_memory(const void* bytes, int64_t length, int32_t mode,
                                                  llmrt_source** source);
/* The host's own reader of `size` bytes. */
LLMRT_API llmrt_status llmrt_source_create_callback(llmrt_read_at read_at, void* user, int64_t size,
                                                    llmrt_source** source);
/*
 * Gives a part of a folder or split model by its file name. Parts that were added come before files
 * beside a path. The part's own handle may be released at once; parts of the part do not count.
 * Errors: ALREADY_EXISTS (a name given twice).
 */
LLMRT_API llmrt_status llmrt_source_add_part(llmrt_source* source, const char* name,
                                             int64_t name_length, llmrt_source* part);
/* Gives the source back; NULL is a no-op. */
LLMRT_API void llmrt_source_release(llmrt_source* source);

/* ------------------------------------------------------------------------------------------------
 * Models: what a file says, before (or without) loading weights
 *
 * Ownership: the caller owns the model and releases it; it holds the file open.
 * Thread safety: any thread; a model never changes.
 * Errors: NOT_FOUND (no such key or index), OUT_OF_RANGE (capacity), and what each lists.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef struct llmrt_model_info {
  int32_t struct_size;
  int32_t vocab_size;
  int64_t num_metadata;
  int64_t num_tensors;
  int64_t num_parameters;
  int64_t file_bytes;
  int64_t context_length; /* the model's own; 0 when the file has no such key */
  int32_t bos_id;         /* -1: none, as for the next two */
  int32_t eos_id;
  int32_t eot_id;
  int32_t reserved;
} llmrt_model_info;

typedef struct llmrt_tensor_info {
  int32_t struct_size;
  int32_t num_dims;
  int64_t dims[4];        /* dims[0] is contiguous */
  int64_t bytes;          /* 0 where the library does not know the type */
  char type[16];          /* "Q4_K"; one that is not known by its name or number, "type 200" */
  char numeric_class[32]; /* "int8-blocks-32": its products' (mode exact, CPU); "": unknown type */
} llmrt_tensor_info;

/*
 * What an engine takes; of the heap, what the model and full SESSIONS with streams need at most. On
 * a CUDA device weights and KV are memory of the device; workspace is, too, with what steps need of
 * pinned and other host memory.
 */
typedef struct llmrt_plan {
  int32_t struct_size;
  int32_t block_size; /* tokens a KV block */
  int64_t weights_bytes;
  int64_t kv_bytes_per_token;
  int64_t kv_blocks;
  int64_t kv_bytes;
  int64_t workspace_bytes;
  int64_t total_bytes;
  int64_t context_length; /* tokens a session may hold: no more than all KV blocks do */
  double read_bandwidth_bytes_per_second; /* with the ceiling 0 where llmrt_engine_get_plan tells */
  double decode_tokens_per_second_ceiling; /* bandwidth / bytes read for one token, short context */
  int64_t heap_bytes;                      /* of small objects; total_bytes holds it, too */
  /* Memory of the device that its driver takes for the context and the kernels, measured when it
   * was opened; outside of total_bytes and MEMORY_BUDGET_BYTES. 0 on the CPU. */
  int64_t overhead_bytes;
} llmrt_plan;

enum {
  LLMRT_TEXT_DEFAULT = 0,      /* BOS and EOS as the model says; special tokens are plain text */
  LLMRT_TEXT_PLAIN = 1,        /* no BOS or EOS */
  LLMRT_TEXT_PARSE_SPECIAL = 2 /* "<|eot_id|>" in the text becomes that token */
};

/*
 * Reads and checks the headers of a model file (not its weights); this does file I/O in the call.
 * Errors: NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE (reading), INVALID_ARGUMENT (no model file at
 * all, a folder), OUT_OF_RANGE (a range past the file's end), DATA_LOSS (corrupt or cut short),
 * UNIMPLEMENTED (a version or byte order that is not known). Unknown types and tokenizers open.
 */
LLMRT_API llmrt_status llmrt_model_open(llmrt_source* source, llmrt_model** model);
/* The model at a glance. */
LLMRT_API llmrt_status llmrt_model_get_info(llmrt_model* model, llmrt_model_info* info);
/* Key number `index`, in the file's order. */
LLMRT_API llmrt_status llmrt_model_metadata_key(llmrt_model* model, int64_t index, char* buffer,
                                                int64_t capacity, int64_t* length);
/* A value as text: "llama", "4096", "[1, 2]". */
LLMRT_API llmrt_status llmrt_model_metadata_value(llmrt_model* model, const char* key,
                                                  int64_t key_length, char* buffer,
                                                  int64_t capacity, int64_t* length);
/* The name of tensor number `index`, in the file's order. */
LLMRT_API llmrt_status llmrt_model_tensor_name(llmrt_model* model, int64_t index, char* buffer,
                                               int64_t capacity, int64_t* length);
/* Shape, size and type of tensor number `index`. */
LLMRT_API llmrt_status llmrt_model_tensor_info(llmrt_model* model, int64_t index,
                                               llmrt_tensor_info* info);
/*
 * Text to token ids; `flags` are LLMRT_TEXT_ bits. `count` receives how many there are; tokens NULL
 * with capacity 0 asks for it. Errors: INVALID_ARGUMENT (invalid UTF-8, with its offset),
 * FAILED_PRECONDITION (the file has no tokenizer), UNIMPLEMENTED (one that is not known),
 * OUT_OF_RANGE (capacity; `count` is written).
 */
LLMRT_API llmrt_status llmrt_model_tokenize(llmrt_model* model, const char* text, int64_t length,
                                            int32_t flags, int32_t* tokens, int64_t capacity,
                                            int64_t* count);
/* Ids to bytes; control tokens give none. Errors: those of tokenize; OUT_OF_RANGE (an id) too. */
LLMRT_API llmrt_status llmrt_model_detokenize(llmrt_model* model, const int32_t* tokens,
                                              int64_t count, char* buffer, int64_t capacity,
                                              int64_t* length);
/*
 * What an engine with these engine options would take. Measures the machine's read bandwidth once
 * (some 100 ms; 0 where unknown). Errors: those of the load that need no weights: UNIMPLEMENTED
 * (architecture, type), RESOURCE_EXHAUSTED (the budget holds not even one block), OUT_OF_RANGE
 * (context), FAILED_PRECONDITION (tier, a plugin of another build), NOT_FOUND (device, its plugin),
 * DATA_LOSS. RESOURCE_EXHAUSTED also for a device whose free memory does not hold the plan.
 */
LLMRT_API llmrt_status llmrt_model_plan(llmrt_model* model, llmrt_options* engine_options,
                                        llmrt_plan* plan);
/* Gives the model back; NULL is a no-op. */
LLMRT_API void llmrt_model_release(llmrt_model* model);

/* ------------------------------------------------------------------------------------------------
 * Engines: one loaded model
 *
 * Ownership: the caller owns the engine and releases it; sessions keep it alive. llmrt_engine_close
 *   frees weights and KV at once whoever still holds handles.
 * Thread safety: any thread. llmrt_engine_step: one caller at a time, a second gets UNAVAILABLE.
 * Errors: FAILED_PRECONDITION before the load has finished, and in a call that runs while the
 *   engine is closed; INVALID_HANDLE once it is closed; the load's own status after it failed;
 *   ENGINE_UNHEALTHY after a device failed; and what each lists.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef enum llmrt_load_phase {
  LLMRT_LOAD_HEADER = 0,
  LLMRT_LOAD_WEIGHTS = 1,
  LLMRT_LOAD_READY = 2,
  LLMRT_LOAD_FAILED = 3,
  LLMRT_LOAD_CLOSED = 4,
  LLMRT_LOAD_PHASE_FORCE_INT32 = 0x7fffffff
} llmrt_load_phase;

typedef struct llmrt_load_info {
  int32_t struct_size;
  int32_t phase;  /* llmrt_load_phase */
  int32_t status; /* llmrt_status of a failed load */
  float fraction; /* 0 to 1 of the bytes to read; again from 0 where "auto" turns to the CPU */
} llmrt_load_info;

typedef struct llmrt_engine_info {
  int32_t struct_size;
  int32_t num_sessions;
  int32_t num_streams; /* in flight */
  int32_t threads;
  int64_t blocks_total;
  int64_t blocks_used;       /* held by streams that run */
  int64_t memory_used_bytes; /* weights, KV, workspace and heap of this engine */
  int64_t memory_peak_bytes; /* the most of these together; never beyond the budget */
  int64_t heap_bytes;        /* this engine's small objects: model, sessions, streams, arrays */
  int64_t steps;
  int64_t tokens_prefilled;
  int64_t tokens_generated;
  int64_t blocks_cached; /* of resting sessions and waiting streams: evicted when needed */
  int64_t blocks_free;
  int64_t tokens_stored;     /* in blocks used and cached; these have block_size slots each */
  int64_t preemptions;       /* streams sent back to wait because others needed their blocks */
  int64_t tokens_recomputed; /* KV computed again after a preemption or a pause */
  /* Sums over all steps, at the end of each: slots in blocks used and cached, and tokens in them.
   * The share of wasted slots between two readings is 1 - (tokens of it) / (slots of it). */
  int64_t kv_slots_sum;
  int64_t kv_tokens_sum;
  int64_t step_us;         /* time in all steps, and its parts: */
  int64_t plan_us;         /* choosing work and its blocks */
  int64_t run_us;          /* the forward pass */
  int64_t draw_us;         /* sampling and log-probabilities */
  int64_t commit_us;       /* handing results to sessions and streams */
  int64_t rows_sum;        /* rows of all steps: rows_sum / steps is the mean batch */
  int64_t streams_running; /* of num_streams: admitted to steps, */
  int64_t streams_waiting; /* and in line for blocks; the others are paused */
  int64_t tokens_drafted;  /* by all drafters, */
  int64_t tokens_accepted; /* and those of them that were said */
  int64_t draft_us;        /* time that drafters took, beside step_us */
} llmrt_engine_info;

typedef struct llmrt_step_info {
  int32_t struct_size;
  int32_t work_remains; /* 1: call again; 0: nothing to do until something is submitted, read or
                           cancelled */
  int64_t elapsed_us;
  int64_t tokens_committed; /* in this call */
} llmrt_step_info;

typedef enum llmrt_log_level {
  LLMRT_LOG_ERROR = 0,
  LLMRT_LOG_WARNING = 1,
  LLMRT_LOG_INFO = 2,
  LLMRT_LOG_DEBUG = 3,
  LLMRT_LOG_LEVEL_FORCE_INT32 = 0x7fffffff
} llmrt_log_level;

typedef struct llmrt_log_info {
  int32_t struct_size;
  int32_t level;    /* llmrt_log_level */
  int64_t sequence; /* counts from 0; a gap means that records were overwritten */
  int64_t time_us;  /* since the engine was created */
} llmrt_log_info;

/*
 * Returns at once with an engine that loads in the background. Errors: INVALID_ARGUMENT (options of
 * another kind), RESOURCE_EXHAUSTED (also a budget that does not hold the engine's own object, some
 * 20 KB). All errors of the load show in get_load and wait_load: those of model_open and
 * model_plan, RESOURCE_EXHAUSTED (memory or budget), FAILED_PRECONDITION (a tier that this machine
 * lacks, a plugin of another build), NOT_FOUND (a device that it lacks, or its plugin), CANCELLED,
 * ENGINE_UNHEALTHY (a device that failed meanwhile).
 */
LLMRT_API llmrt_status llmrt_engine_create(llmrt_source* source, llmrt_options* options,
                                           llmrt_engine** engine);
/* Never fails because of the load: that is what it tells. */
LLMRT_API llmrt_status llmrt_engine_get_load(llmrt_engine* engine, llmrt_load_info* info);
/* Waits for the load's end and returns its status. Errors: DEADLINE_EXCEEDED, those of the load. */
LLMRT_API llmrt_status llmrt_engine_wait_load(llmrt_engine* engine, int64_t timeout_ms);
/* Asks the load to end with CANCELLED, and does not wait for it. A finished load stays. */
LLMRT_API llmrt_status llmrt_engine_cancel_load(llmrt_engine* engine);
/* The model that was loaded; a handle of its own for the caller. */
LLMRT_API llmrt_status llmrt_engine_get_model(llmrt_engine* engine, llmrt_model** model);
/* The plan that the load carried out. */
LLMRT_API llmrt_status llmrt_engine_get_plan(llmrt_engine* engine, llmrt_plan* plan);
/*
 * What the bits depend on, as text: build, device class and tier, numeric class, model hash, KV
 * type, placement. Equal fingerprints: equal tokens for equal (tokens before, sampling options,
 * seed). Errors: OUT_OF_RANGE (capacity).
 */
LLMRT_API llmrt_status llmrt_engine_get_fingerprint(llmrt_engine* engine, char* buffer,
                                                    int64_t capacity, int64_t* length);
/* What the engine does now and did so far. */
LLMRT_API llmrt_status llmrt_engine_get_info(llmrt_engine* engine, llmrt_engine_info* info);
/*
 * Pumped engines only: does work for about `max_us` microseconds (0: the smallest slice; -1: until
 * nothing remains) and returns, also in the middle of a step. `info` may be NULL. Errors:
 * FAILED_PRECONDITION (the engine has its own thread), UNAVAILABLE (another thread is pumping).
 */
LLMRT_API llmrt_status llmrt_engine_step(llmrt_engine* engine, int64_t max_us,
                                         llmrt_step_info* info);
/*
 * Waits until at least one stream of the engine has something to read, and lists such streams, as
 * many as `ready` holds (`capacity`, at least 1): the handles that their owners hold, not new ones.
 * Errors: DEADLINE_EXCEEDED, FAILED_PRECONDITION (no
 * stream in flight or unread; a pumped engine, where nothing would end the wait).
 */
LLMRT_API llmrt_status llmrt_engine_wait(llmrt_engine* engine, llmrt_stream** ready,
                                         int64_t capacity, int64_t* count, int64_t timeout_ms);
/*
 * Takes the oldest unread record of the engine's bounded log (256 records; older ones are lost).
 * Works in every phase. Prompts and answers are never logged. Errors: NOT_FOUND (nothing unread),
 * OUT_OF_RANGE (capacity; the record stays).
 */
LLMRT_API llmrt_status llmrt_engine_poll_log(llmrt_engine* engine, llmrt_log_info* info,
                                             char* buffer, int64_t capacity, int64_t* length);
/*
 * Ends every stream (LLMRT_FINISH_ENGINE_CLOSED), stops the threads, frees weights and KV, and
 * turns the engine, its sessions and its streams stale. Waits for a slice, or the part of a load,
 * that is running.
 */
LLMRT_API llmrt_status llmrt_engine_close(llmrt_engine* engine);
/* Gives the engine back; NULL is a no-op. The last of engine, sessions and streams frees it. */
LLMRT_API void llmrt_engine_release(llmrt_engine* engine);

/* ------------------------------------------------------------------------------------------------
 * Sessions: one conversation
 *
 * A session owns its tokens and their KV. Spans are appended, then submitted; the prompt's and the
 * generated tokens join the session. One stream is in flight at a time. Cancelling leaves the
 * session at the last committed token. While no stream is in flight the KV stays as long as nobody
 * needs its memory, and is computed again in the next turn as far as it was evicted: tokens are the
 * same in any case.
 *
 * Ownership: the caller owns the session and releases it; its stream keeps it alive.
 * Thread safety: any thread.
 * Errors: FAILED_PRECONDITION while a stream is in flight, and what each lists.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef struct llmrt_session_info {
  int32_t struct_size;
  int32_t stream_in_flight; /* 0 or 1 */
  int64_t num_tokens;       /* committed: prompt and generated */
  int64_t num_pending;      /* appended, not yet submitted */
  int64_t num_cached;       /* tokens whose KV is in memory */
  int64_t context_length;
} llmrt_session_info;

/* Errors: those of engines; OUT_OF_RANGE (a context longer than the engine's). */
LLMRT_API llmrt_status llmrt_session_create(llmrt_engine* engine, llmrt_options* options,
                                            llmrt_session** session);
/* Appends token ids. Errors: OUT_OF_RANGE (an id outside the vocabulary; longer than the context).
 */
LLMRT_API llmrt_status llmrt_session_append_tokens(llmrt_session* session, const int32_t* tokens,
                                                   int64_t count);
/*
 * Tokenizes and appends (`flags`: LLMRT_TEXT_ bits); BOS only at the session's start, EOS never.
 * Errors: those of llmrt_model_tokenize; OUT_OF_RANGE (longer than the context).
 */
LLMRT_API llmrt_status llmrt_session_append_text(llmrt_session* session, const char* text,
                                                 int64_t length, int32_t flags);
/*
 * Starts a generation after everything appended so far, and returns at once. The session must hold
 * at least one token. Errors: FAILED_PRECONDITION (it holds none), OUT_OF_RANGE (the context is
 * full, a bias, stop or forced id outside the vocabulary).
 */
LLMRT_API llmrt_status llmrt_session_submit(llmrt_session* session, llmrt_options* options,
                                            llmrt_stream** stream);
/*
 * A new session that continues from the first `num_tokens` tokens of this one (-1: all, appended
 * ones included), with the same context length. Token ids are copied; the KV is shared, and costs
 * neither time nor memory until the two write into the same block. Errors: OUT_OF_RANGE (the
 * session holds fewer).
 */
LLMRT_API llmrt_status llmrt_session_fork(llmrt_session* session, int64_t num_tokens,
                                          llmrt_session** child);
/*
 * Forgets all tokens from position `num_tokens` on, appended ones included. Errors: OUT_OF_RANGE
 * (the session holds fewer).
 */
LLMRT_API llmrt_status llmrt_session_rewind(llmrt_session* session, int64_t num_tokens);
/* What the session holds. Also while a stream is in flight. */
LLMRT_API llmrt_status llmrt_session_get_info(llmrt_session* session, llmrt_session_info* info);
/*
 * Copies committed tokens from position `first`; `count` receives how many were copied. Also while
 * a stream is in flight. Errors: OUT_OF_RANGE (`first` is past the end).
 */
LLMRT_API llmrt_status llmrt_session_get_tokens(llmrt_session* session, int64_t first,
                                                int32_t* tokens, int64_t capacity, int64_t* count);
/* Gives the session back; NULL is a no-op. */
LLMRT_API void llmrt_session_release(llmrt_session* session);

/* ------------------------------------------------------------------------------------------------
 * Streams: one generation
 *
 * Ownership: the caller owns the stream and releases it; releasing one that runs cancels it.
 * Thread safety: any thread; concurrent reads share out what there is.
 * Errors: what each lists. A stream that failed reports it as its finish reason and status, here
 *   and in llmrt_stream_info, not as the status of read.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef enum llmrt_stream_state {
  LLMRT_STREAM_QUEUED = 0,
  LLMRT_STREAM_PREFILL = 1,
  LLMRT_STREAM_DECODE = 2,
  LLMRT_STREAM_PAUSED = 3, /* its queue is full: read it */
  LLMRT_STREAM_FINISHED = 4,
  LLMRT_STREAM_STATE_FORCE_INT32 = 0x7fffffff
} llmrt_stream_state;

typedef enum llmrt_finish_reason {
  LLMRT_FINISH_NONE = 0,
  LLMRT_FINISH_STOP_TOKEN = 1, /* the model's end token or one of STOP_TOKENS */
  LLMRT_FINISH_STOP_STRING = 2,
  LLMRT_FINISH_MAX_TOKENS = 3,
  LLMRT_FINISH_CONTEXT_FULL = 4,
  LLMRT_FINISH_CANCELLED = 5,
  LLMRT_FINISH_ENGINE_CLOSED = 6,
  LLMRT_FINISH_ERROR = 7,
  LLMRT_FINISH_REASON_FORCE_INT32 = 0x7fffffff
} llmrt_finish_reason;

typedef struct llmrt_read_result {
  int32_t struct_size;
  int32_t finish_reason; /* set by the one read that delivers the terminal event, else NONE */
  int32_t status;        /* llmrt_status that goes with LLMRT_FINISH_ERROR */
  int32_t reserved;
  int64_t num_tokens;  /* written to tokens and logprobs */
  int64_t text_bytes;  /* written to text */
  int64_t first_token; /* index in this stream's output of tokens[0] */
} llmrt_read_result;

typedef struct llmrt_stream_info {
  int32_t struct_size;
  int32_t state;         /* llmrt_stream_state */
  int32_t finish_reason; /* llmrt_finish_reason, as soon as it is known */
  int32_t status;        /* llmrt_status that goes with LLMRT_FINISH_ERROR */
  int64_t seed;          /* the one in use, given or drawn */
  int64_t prompt_tokens; /* tokens of the session when it was submitted */
  int64_t cached_tokens; /* of these, already in the KV cache */
  int64_t generated_tokens;
  int64_t queue_us; /* submit to first work; -1: not yet, as for the next two */
  int64_t ttft_us;  /* submit to first token */
  int64_t total_us; /* submit to end */
  int64_t drafted;  /* tokens that a drafter proposed, and how many of them were kept */
  int64_t accepted;
  int64_t tpot_us;           /* mean time between tokens after the first; -1: under two tokens */
  int64_t preemptions;       /* how often it was sent back to wait */
  int64_t tokens_recomputed; /* KV computed again for that, or after a pause */
  int64_t steps; /* that drew for it: generated_tokens / steps is what speculation gains */
} llmrt_stream_info;

/*
 * Takes what is there, without waiting: up to `tokens_capacity` token ids (and their natural
 * log-probabilities, from the model's distribution before any filter, if LOGPROBS was set; else 0)
 * and up to `text_capacity` bytes of whole characters. tokens, logprobs and text may each be NULL;
 * where both tokens and logprobs are NULL tokens are skipped as their text is read, and text is
 * dropped where text is NULL. The read that empties the stream after its end delivers the terminal
 * event. Errors: OUT_OF_RANGE (the terminal event was already delivered; a text_capacity under 4
 * that holds not even the next character).
 */
LLMRT_API llmrt_status llmrt_stream_read(llmrt_stream* stream, int32_t* tokens, float* logprobs,
                                         int64_t tokens_capacity, char* text, int64_t text_capacity,
                                         llmrt_read_result* result);
/*
 * Waits until there is something to read, the terminal event included. Errors: DEADLINE_EXCEEDED,
 * OUT_OF_RANGE (the terminal event was already delivered), FAILED_PRECONDITION (a pumped engine
 * with nothing to read). An engine that closes wakes the wait; the handle is stale from then on.
 */
LLMRT_API llmrt_status llmrt_stream_wait(llmrt_stream* stream, int64_t timeout_ms);
/* Where the stream stands. */
LLMRT_API llmrt_status llmrt_stream_get_info(llmrt_stream* stream, llmrt_stream_info* info);
/* One line that says why a stream failed; empty otherwise. Errors: OUT_OF_RANGE (capacity). */
LLMRT_API llmrt_status llmrt_stream_get_message(llmrt_stream* stream, char* buffer,
                                                int64_t capacity, int64_t* length);
/*
 * The TOP_LOGPROBS best tokens at output token number `index`, best first. They are kept until
 * QUEUE_TOKENS more tokens have been read. Errors: FAILED_PRECONDITION (the option is off),
 * OUT_OF_RANGE (capacity under TOP_LOGPROBS; an index not generated or no longer kept).
 */
LLMRT_API llmrt_status llmrt_stream_top_logprobs(llmrt_stream* stream, int64_t index,
                                                 int32_t* tokens, float* logprobs, int64_t capacity,
                                                 int64_t* count);
/*
 * Log-probabilities of prompt tokens `first`, first + 1, ... each given those before; that of the
 * session's first token is 0. `count` receives how many were copied: fewer while the prompt is
 * still being processed. Only for tokens that were appended for this stream. Errors:
 * FAILED_PRECONDITION (PROMPT_LOGPROBS is off), OUT_OF_RANGE (`first` is past the prompt or before
 * this stream's part).
 */
LLMRT_API llmrt_status llmrt_stream_prompt_logprobs(llmrt_stream* stream, int64_t first,
                                                    float* logprobs, int64_t capacity,
                                                    int64_t* count);
/*
 * How many tokens were drafted in each step that drew for the stream, from its step `first` on:
 * what the engine thought worth it over time. `count` receives how many were copied. Where the
 * stream may not draft there is nothing to copy. Errors: OUT_OF_RANGE (`first` is past the last
 * step).
 */
LLMRT_API llmrt_status llmrt_stream_draft_lengths(llmrt_stream* stream, int64_t first,
                                                  int32_t* lengths, int64_t capacity,
                                                  int64_t* count);
/*
 * Asks the stream to end with LLMRT_FINISH_CANCELLED. Takes effect within one slice, also inside a
 * prompt and in a step with other streams, who do not notice; its blocks are then the session's
 * cache, or free. On a pumped engine a stream that has begun ends in the next llmrt_engine_step.
 */
LLMRT_API llmrt_status llmrt_stream_cancel(llmrt_stream* stream);
/* Gives the stream back, cancelling it if it runs and ending waits for it; NULL is a no-op. */
LLMRT_API void llmrt_stream_release(llmrt_stream* stream);

/* ------------------------------------------------------------------------------------------------
 * Function table, for hosts that load the library at run time
 *
 * Ownership: the table belongs to the library and lives as long as it is loaded.
 * Thread safety: any thread.
 * Errors: NULL for a version that this library does not offer.
 * Since: 1.
 * ---------------------------------------------------------------------------------------------- */

typedef struct llmrt_api llmrt_api;

/* The functions of ABI `version`; pass LLMRT_ABI_VERSION. */
LLMRT_API const llmrt_api* llmrt_get_api(int32_t version);

struct llmrt_api {
  int32_t struct_size; /* of the table that this library has; later ones only grow */
  int32_t table_version;
  int32_t (*abi_version)(void);
  llmrt_status (*version)(char* buffer, int64_t capacity, int64_t* length);
  llmrt_status (*last_message)(char* buffer, int64_t capacity, int64_t* length);
  llmrt_status (*options_create)(int32_t kind, llmrt_options** options);
  llmrt_status (*options_set_i64)(llmrt_options* options, int32_t key, int64_t value);
  llmrt_status (*options_set_f64)(llmrt_options* options, int32_t key, double value);
  llmrt_status (*options_set_bytes)(llmrt_options* options, int32_t key, const void* bytes,
                                    int64_t length);
  llmrt_status (*options_get_i64)(llmrt_options* options, int32_t key, int64_t* value);
  llmrt_status (*options_get_f64)(llmrt_options* options, int32_t key, double* value);
  llmrt_status (*options_get_bytes)(llmrt_options* options, int32_t key, void* buffer,
                                    int64_t capacity, int64_t* length);
  llmrt_status (*options_bounds_i64)(int32_t key, int64_t* minimum, int64_t* maximum);
  llmrt_status (*options_bounds_f64)(int32_t key, double* minimum, double* maximum);
  llmrt_status (*options_set_memory_hook)(llmrt_options* options, llmrt_allocate allocate,
                                          llmrt_deallocate release, void* user);
  void (*options_release)(llmrt_options* options);
  llmrt_status (*source_create_path)(const char* path, int64_t path_length, int64_t offset,
                                     int64_t length, llmrt_source** source);
  llmrt_status (*source_create_memory)(const void* bytes, int64_t length, int32_t mode,
                                       llmrt_source** source);
  llmrt_status (*source_create_callback)(llmrt_read_at read_at, void* user, int64_t size,
                                         llmrt_source** source);
  llmrt_status (*source_add_part)(llmrt_source* source, const char* name, int64_t name_length,
                                  llmrt_source* part);
  void (*source_release)(llmrt_source* source);
  llmrt_status (*model_open)(llmrt_source* source, llmrt_model** model);
  llmrt_status (*model_get_info)(llmrt_model* model, llmrt_model_info* info);
  llmrt_status (*model_metadata_key)(llmrt_model* model, int64_t index, char* buffer,
                                     int64_t capacity, int64_t* length);
  llmrt_status (*model_metadata_value)(llmrt_model* model, const char* key, int64_t key_length,
                                       char* buffer, int64_t capacity, int64_t* length);
  llmrt_status (*model_tensor_name)(llmrt_model* model, int64_t index, char* buffer,
                                    int64_t capacity, int64_t* length);
  llmrt_status (*model_tensor_info)(llmrt_model* model, int64_t index, llmrt_tensor_info* info);
  llmrt_status (*model_tokenize)(llmrt_model* model, const char* text, int64_t length,
                                 int32_t flags, int32_t* tokens, int64_t capacity, int64_t* count);
  llmrt_status (*model_detokenize)(llmrt_model* model, const int32_t* tokens, int64_t count,
                                   char* buffer, int64_t capacity, int64_t* length);
  llmrt_status (*model_plan)(llmrt_model* model, llmrt_options* engine_options, llmrt_plan* plan);
  void (*model_release)(llmrt_model* model);
  llmrt_status (*engine_create)(llmrt_source* source, llmrt_options* options,
                                llmrt_engine** engine);
  llmrt_status (*engine_get_load)(llmrt_engine* engine, llmrt_load_info* info);
  llmrt_status (*engine_wait_load)(llmrt_engine* engine, int64_t timeout_ms);
  llmrt_status (*engine_cancel_load)(llmrt_engine* engine);
  llmrt_status (*engine_get_model)(llmrt_engine* engine, llmrt_model** model);
  llmrt_status (*engine_get_plan)(llmrt_engine* engine, llmrt_plan* plan);
  llmrt_status (*engine_get_fingerprint)(llmrt_engine* engine, char* buffer, int64_t capacity,
                                         int64_t* length);
  llmrt_status (*engine_get_info)(llmrt_engine* engine, llmrt_engine_info* info);
  llmrt_status (*engine_step)(llmrt_engine* engine, int64_t max_us, llmrt_step_info* info);
  llmrt_status (*engine_wait)(llmrt_engine* engine, llmrt_stream** ready, int64_t capacity,
                              int64_t* count, int64_t timeout_ms);
  llmrt_status (*engine_poll_log)(llmrt_engine* engine, llmrt_log_info* info, char* buffer,
                                  int64_t capacity, int64_t* length);
  llmrt_status (*engine_close)(llmrt_engine* engine);
  void (*engine_release)(llmrt_engine* engine);
  llmrt_status (*session_create)(llmrt_engine* engine, llmrt_options* options,
                                 llmrt_session** session);
  llmrt_status (*session_append_tokens)(llmrt_session* session, const int32_t* tokens,
                                        int64_t count);
  llmrt_status (*session_append_text)(llmrt_session* session, const char* text, int64_t length,
                                      int32_t flags);
  llmrt_status (*session_submit)(llmrt_session* session, llmrt_options* options,
                                 llmrt_stream** stream);
  llmrt_status (*session_get_info)(llmrt_session* session, llmrt_session_info* info);
  llmrt_status (*session_get_tokens)(llmrt_session* session, int64_t first, int32_t* tokens,
                                     int64_t capacity, int64_t* count);
  void (*session_release)(llmrt_session* session);
  llmrt_status (*stream_read)(llmrt_stream* stream, int32_t* tokens, float* logprobs,
                              int64_t tokens_capacity, char* text, int64_t text_capacity,
                              llmrt_read_result* result);
  llmrt_status (*stream_wait)(llmrt_stream* stream, int64_t timeout_ms);
  llmrt_status (*stream_get_info)(llmrt_stream* stream, llmrt_stream_info* info);
  llmrt_status (*stream_get_message)(llmrt_stream* stream, char* buffer, int64_t capacity,
                                     int64_t* length);
  llmrt_status (*stream_top_logprobs)(llmrt_stream* stream, int64_t index, int32_t* tokens,
                                      float* logprobs, int64_t capacity, int64_t* count);
  llmrt_status (*stream_prompt_logprobs)(llmrt_stream* stream, int64_t first, float* logprobs,
                                         int64_t capacity, int64_t* count);
  llmrt_status (*stream_cancel)(llmrt_stream* stream);
  void (*stream_release)(llmrt_stream* stream);
  llmrt_status (*session_fork)(llmrt_session* session, int64_t num_tokens, llmrt_session** child);
  llmrt_status (*session_rewind)(llmrt_session* session, int64_t num_tokens);
  llmrt_status (*options_set_job_hook)(llmrt_options* options, llmrt_submit_job submit, void* user);
  llmrt_status (*options_set_drafter)(llmrt_options* options, llmrt_draft draft, void* user);
  llmrt_status (*stream_draft_lengths)(llmrt_stream* stream, int64_t first, int32_t* lengths,
                                       int64_t capacity, int64_t* count);
};

#ifdef __cplusplus
}
#endif

#endif /* LLMRT_H_ */
