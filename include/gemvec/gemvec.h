// gemvec in C: EmbeddingGemma-300M behind opaque handles. C11 and C++; Python's and Node's bindings see this
// alone.
//
//   gemvec_model* model = NULL;
//   gemvec_load_options load = {.struct_size = sizeof load, .model = "models/embeddinggemma-300m"};
//   if (gemvec_model_load(&load, &model) != GEMVEC_OK) return complain(gemvec_last_message());
//   gemvec_text text = {"Which planet is known as the Red Planet?", 40};
//   gemvec_embed_options options = {.struct_size = sizeof options, .task = {"retrieval-query", 15}};
//   gemvec_result* result = NULL;
//   if (gemvec_embed(model, &text, 1, &options, &result) == GEMVEC_OK) use(gemvec_result_vectors(result),
//   768); gemvec_result_free(result); gemvec_model_free(model);
//
// Errors. What can fail returns a gemvec_status. When it is not GEMVEC_OK, nothing was written to the output
// arguments, and gemvec_last_message() is one sentence for a person. NULL where an object or an output is
// expected is GEMVEC_INVALID_ARGUMENT, never a crash; functions without a status then return 0 or NULL.
//
// Structs of options begin with `struct_size`, which the caller sets to sizeof: a later library takes those
// of an earlier header. All other members may be zero, which is what most callers want; a pointer to options
// may be NULL. Text goes in and out as UTF-8 with a length; where a `const char*` stands alone it ends with a
// zero byte.
//
// Threads. Every function may be called from any thread, and one model from many at once: they take turns on
// its threads, short calls are embedded together, and go between the layers of long ones. Only freeing must
// wait until nobody uses the object. Results and tokens are independent of the model they came from and do
// not change. Callbacks are called on the thread that made the call; they must not throw or jump out of it.
//
// fork(). A model's threads do not exist in a forked child. There every call with it is GEMVEC_UNSUPPORTED,
// and freeing it frees nothing. Load the model in the child: it maps the same files, which takes
// milliseconds.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(GEMVEC_C_SHARED) && defined(_WIN32)
#define GEMVEC_API __declspec(dllimport)
#elif defined(__GNUC__)
#define GEMVEC_API __attribute__((visibility("default")))
#else
#define GEMVEC_API
#endif

// Grows by one when something that compiled against an earlier header would break. Compare it with
// gemvec_abi_version() of the library that was found at run time.
#define GEMVEC_ABI_VERSION 1

// Number of tokens that the model can look at, BOS and EOS included, and the width of a vector.
#define GEMVEC_MAX_TOKENS 2048
#define GEMVEC_WIDTH 768

typedef enum gemvec_status {
  GEMVEC_OK = 0,
  GEMVEC_INVALID_ARGUMENT = 1,  // the caller asked for something that does not exist (task, dimension, id)
  GEMVEC_NOT_FOUND = 2,         // a file or folder is not there
  GEMVEC_IO = 3,                // the operating system refused: permissions, disk full
  GEMVEC_BAD_FORMAT = 4,        // a file is damaged or is not what it claims to be
  GEMVEC_UNSUPPORTED = 5,       // valid, but not something that this build, machine or process can do
  GEMVEC_TOO_LONG = 6,          // a text exceeds the limit and GEMVEC_TRUNCATE_ERROR was asked for
  GEMVEC_CANCELLED = 7,         // `cancelled` said so
  GEMVEC_NO_MEMORY = 8,         // memory ran out
  GEMVEC_INTERNAL = 9           // a bug in gemvec: please report it
} gemvec_status;

// GEMVEC_ABI_VERSION and the version ("0.1.0") of the library itself.
GEMVEC_API uint32_t gemvec_abi_version(void);
GEMVEC_API const char* gemvec_version(void);

// "ok", "invalid argument", ...; "unknown" for a number that is no status.
GEMVEC_API const char* gemvec_status_name(int32_t status);

// What the last call on this thread that failed said: one sentence that names the file, argument or field and
// what was expected. "" if none failed. Valid until the next call of gemvec on this thread.
GEMVEC_API const char* gemvec_last_message(void);

// Bytes of UTF-8, not necessarily with a zero byte at their end. `data` may be NULL if `size` is 0.
typedef struct gemvec_text {
  const char* data;
  size_t size;
} gemvec_text;

// Frees what a function gave as `char**`. NULL is let pass.
GEMVEC_API void gemvec_free(void* memory);

// ---- Models ----

typedef struct gemvec_model gemvec_model;

typedef enum gemvec_dtype {
  GEMVEC_DTYPE_DEFAULT = 0,  // q8, or what a .gemvec file holds
  GEMVEC_DTYPE_FP32 = 1,
  GEMVEC_DTYPE_BF16 = 2,
  GEMVEC_DTYPE_Q8 = 3,
  GEMVEC_DTYPE_Q4 = 4,
  GEMVEC_DTYPE_MIXED = 5
} gemvec_dtype;

typedef enum gemvec_compute {
  GEMVEC_COMPUTE_NATIVE = 0,  // as the weights: bf16 products for bf16, int8 products for 8 bits and fewer
  GEMVEC_COMPUTE_FP32 = 1  // fp32 products over fp32 or bf16 weights; over bf16: the ONNX release's numbers
} gemvec_compute;

typedef enum gemvec_log_level {
  GEMVEC_LOG_INFO = 0,    // a repair that was made while loading
  GEMVEC_LOG_WARNING = 1  // the vectors are not the release's
} gemvec_log_level;

typedef struct gemvec_load_options {
  size_t struct_size;  // sizeof(gemvec_load_options)
  // A folder in the sentence-transformers layout or in that of the ONNX release, or one .onnx, .gguf or
  // .gemvec file. Required.
  const char* model;
  const char* cache_dir;  // where packed weights are kept between processes; NULL: the user's cache
  int32_t dtype;          // gemvec_dtype
  int32_t compute;        // gemvec_compute
  uint32_t threads;       // 0: one per core that this process may run on
  int32_t exact;  // not 0: fp32 arithmetic over exactly the file's numbers; dtype only chooses the file
  int32_t allow_headless;   // not 0: take a GGUF or ONNX file without the dense layers
  int32_t no_cache;         // not 0: pack weights into private memory
  int32_t skip_self_check;  // not 0: do not compare the card's example with the release
  uint64_t max_memory;      // bytes of working memory at most; 0: no limit
  // Called while weights are packed, with bytes done and in all. May be NULL.
  void (*progress)(void* user, const char* stage, uint64_t done, uint64_t total);
  // Called at the end of loading for each thing worth telling, with a gemvec_log_level. `message` ends with
  // the call. May be NULL.
  void (*log)(void* user, int32_t level, const char* message);
  void* user;  // handed to both
} gemvec_load_options;

// Loads a model. Errors: GEMVEC_NOT_FOUND, GEMVEC_IO, GEMVEC_BAD_FORMAT (names file, tensor or field, and
// what was expected), GEMVEC_UNSUPPORTED, GEMVEC_INVALID_ARGUMENT.
GEMVEC_API gemvec_status gemvec_model_load(const gemvec_load_options* options, gemvec_model** out);

// REQUIRES: no call with this model is running. NULL is let pass.
GEMVEC_API void gemvec_model_free(gemvec_model* model);

// The model folder that a user means who names none (`name` NULL or ""), a path, or the release's name on the
// hub
// ("google/embeddinggemma-300m", "onnx-community/embeddinggemma-300m-ONNX"): the path if it exists;
// otherwise, for no name and those two, the folder that GEMVEC_MODEL names, else where `gemvec pull` puts the
// model. Free `*path` with gemvec_free(). Errors: GEMVEC_NOT_FOUND, with what to do.
GEMVEC_API gemvec_status gemvec_find_model(const char* name, char** path);

typedef enum gemvec_check {
  GEMVEC_CHECK_NOT_RUN = 0,
  GEMVEC_CHECK_RELEASE = 1,    // the card's example gives the release's vectors
  GEMVEC_CHECK_DIFFERENT = 2,  // finite vectors, but not the release's: a fine-tune, or damaged weights
  GEMVEC_CHECK_UNPROMISED = 3  // quantised by somebody else: nobody can say how near they should be
} gemvec_check;

// Strings live as long as the model.
typedef struct gemvec_model_info {
  size_t struct_size;          // sizeof(gemvec_model_info), set by the caller
  const char* model;           // path
  const char* source_format;   // "safetensors", "ONNX", "GGUF", "gemvec"
  const char* source_numbers;  // "fp32", "Q8_0"
  const char* dtype;           // "q8"
  const char* compute;         // of the linear layers: "int8", "bf16", "fp32"
  const char* isa;             // "avx512bf16"
  uint32_t threads;
  gemvec_check check;
  size_t layers, width, heads, head_dim, ffn, vocab, max_tokens;
  uint64_t source_bytes;     // weight files of the model
  uint64_t packed_bytes;     // packed weights
  uint64_t workspace_bytes;  // private memory reserved for activations so far
  double check_max_abs_diff;
  int32_t packed_from_cache;  // 0: this load packed them
  int32_t reserved;
} gemvec_model_info;

// What was loaded. Errors: GEMVEC_INVALID_ARGUMENT.
GEMVEC_API gemvec_status gemvec_model_get_info(const gemvec_model* model, gemvec_model_info* info);

// ---- Prompts ----

// Number of named prompts: the card's task names first, then those of config_sentence_transformers.json.
GEMVEC_API size_t gemvec_prompt_count(const gemvec_model* model);
// The `index`-th. Views that live as long as the model; either output may be NULL. Errors:
// GEMVEC_INVALID_ARGUMENT (index).
GEMVEC_API gemvec_status gemvec_prompt_get(const gemvec_model* model, size_t index, gemvec_text* name,
                                           gemvec_text* prompt);
// The text that stands before each text of a task. Case and " ", "_", "-" in `task` do not matter. `title`
// ({NULL, 0}: none) is for retrieval-document only. Free `*prompt` with gemvec_free(); it ends with a zero
// byte that `*size` (may be NULL) does not count. Errors: GEMVEC_INVALID_ARGUMENT (unknown task: lists the
// names; a title with another task).
GEMVEC_API gemvec_status gemvec_prompt_for(const gemvec_model* model, gemvec_text task, gemvec_text title,
                                           char** prompt, size_t* size);

// ---- Vectors ----

typedef struct gemvec_result gemvec_result;

typedef enum gemvec_truncate {
  GEMVEC_TRUNCATE_RIGHT = 0,  // keep the beginning
  GEMVEC_TRUNCATE_LEFT = 1,   // keep the end
  GEMVEC_TRUNCATE_ERROR = 2   // GEMVEC_TOO_LONG, naming the text, its number of tokens and the limit
} gemvec_truncate;

typedef enum gemvec_control_text {
  GEMVEC_CONTROL_PARSE = 0,  // "<bos>" in a text becomes its control id, as in the release's tokenizer
  GEMVEC_CONTROL_TEXT = 1    // it is ordinary characters
} gemvec_control_text;

// Which of the two outputs a call computes; both cost little more than one.
enum {
  GEMVEC_OUTPUT_VECTORS = 1,  // one vector a text
  GEMVEC_OUTPUT_TOKENS = 2    // one row a token: last_hidden_state, final norm applied
};

typedef struct gemvec_embed_options {
  size_t struct_size;    // sizeof(gemvec_embed_options)
  gemvec_text task;      // name of a prompt that goes before every text; {NULL, 0}: none
  gemvec_text title;     // with task retrieval-document; {NULL, 0}: "none"
  gemvec_text prompt;    // or the prompt itself, as it is. Not together with `task`
  uint32_t outputs;      // GEMVEC_OUTPUT_... or-ed together; 0: GEMVEC_OUTPUT_VECTORS
  uint32_t dim;          // of vectors: 768, 512, 256 or 128; 0: 768
  int32_t raw;           // not 0: vectors as they leave the head, cut to `dim`, not of unit length
  int32_t truncate;      // gemvec_truncate
  int32_t control_text;  // gemvec_control_text
  uint32_t max_tokens;   // 2..2048, BOS and EOS included; 0: 2048
  // Asked before each micro-batch (some tens of milliseconds of work); not 0 ends the call with
  // GEMVEC_CANCELLED. May be NULL.
  int (*cancelled)(void* user);
  // Called after each micro-batch with the number of texts done and in all. May be NULL.
  void (*progress)(void* user, size_t done, size_t total);
  void* user;  // handed to both
} gemvec_embed_options;

// What became of one text.
typedef struct gemvec_text_info {
  uint32_t tokens;             // that the model saw, BOS, EOS and prompt included
  uint32_t total_tokens;       // before truncation
  uint32_t invalid_sequences;  // invalid UTF-8 sequences that were replaced by U+FFFD
  uint32_t truncated;          // 1 or 0
} gemvec_text_info;

// Embeds texts [count]. They are sorted and cut into micro-batches inside, so one call with many texts is
// best; the result is in the order given, and the same text gives the same bits in any company and with any
// number of threads. Errors: GEMVEC_INVALID_ARGUMENT (names the option), GEMVEC_TOO_LONG (names the text),
// GEMVEC_CANCELLED, GEMVEC_NO_MEMORY.
GEMVEC_API gemvec_status gemvec_embed(const gemvec_model* model, const gemvec_text* texts, size_t count,
                                      const gemvec_embed_options* options, gemvec_result** out);

// One list of token ids, used as it is: BOS and EOS are the caller's.
typedef struct gemvec_ids {
  const int32_t* data;
  size_t size;
} gemvec_ids;

// The same from lists of 1 to 2048 ids each. Of the options, those about text are ignored, but an unknown
// task is an error still. Errors also: GEMVEC_INVALID_ARGUMENT for an empty or too long list, or an id
// outside the table (names both indices).
GEMVEC_API gemvec_status gemvec_embed_ids(const gemvec_model* model, const gemvec_ids* lists, size_t count,
                                          const gemvec_embed_options* options, gemvec_result** out);

// The same from a rectangle, as ONNX Runtime takes it: `input_ids` and `attention_mask`, both [rows, tokens],
// row by row; the mask has 1 where a token is and 0 where padding is, before or behind it; NULL: all ones.
// Padding costs nothing and changes no bit. The result's hidden states are then also a rectangle, [rows,
// tokens, 768], with zeros where padding was. Errors: GEMVEC_INVALID_ARGUMENT for a mask that is not 0 or 1,
// has no 1 in a row, or a 0 between two 1s; an id outside the table where the mask is 1; over 2048 ones in a
// row. The message names the tensor and both indices.
GEMVEC_API gemvec_status gemvec_embed_padded(const gemvec_model* model, const int64_t* input_ids,
                                             const int64_t* attention_mask, size_t rows, size_t tokens,
                                             const gemvec_embed_options* options, gemvec_result** out);

// NULL is let pass.
GEMVEC_API void gemvec_result_free(gemvec_result* result);
// Number of texts.
GEMVEC_API size_t gemvec_result_count(const gemvec_result* result);
// Numbers in a vector: the option `dim`. 0 without GEMVEC_OUTPUT_VECTORS.
GEMVEC_API size_t gemvec_result_dim(const gemvec_result* result);
// [count, dim], row by row, text by text; NULL without GEMVEC_OUTPUT_VECTORS, or if count is 0. Memory of the
// result, 4-byte aligned, which nothing else reads or writes: a binding may hand it out without a copy,
// writable, and free the result when nobody looks at it any more.
GEMVEC_API float* gemvec_result_vectors(gemvec_result* result);
// [gemvec_result_token_rows(), 768]; NULL without GEMVEC_OUTPUT_TOKENS, or if it has no rows. Memory as
// above.
GEMVEC_API float* gemvec_result_tokens(gemvec_result* result);
// Rows of the hidden states: the sum of the texts' tokens, or rows * tokens from gemvec_embed_padded().
GEMVEC_API size_t gemvec_result_token_rows(const gemvec_result* result);
// [count + 1], in rows of the hidden states: text i has rows offsets[i] .. offsets[i + 1] - 1, padding
// included. NULL without GEMVEC_OUTPUT_TOKENS.
GEMVEC_API const size_t* gemvec_result_offsets(const gemvec_result* result);
// [count]; NULL if count is 0.
GEMVEC_API const gemvec_text_info* gemvec_result_texts(const gemvec_result* result);

// ---- Tokens ----

typedef struct gemvec_tokenizer gemvec_tokenizer;
typedef struct gemvec_tokens gemvec_tokens;

// The tokenizer of a model (folder or file as above, or a tokenizer.json) without its weights. `cache_dir`
// keeps its tables between processes; NULL: the user's cache. Errors: those of gemvec_model_load().
GEMVEC_API gemvec_status gemvec_tokenizer_load(const char* model, const char* cache_dir,
                                               gemvec_tokenizer** out);
// Of one that gemvec_tokenizer_load() gave. NULL is let pass.
GEMVEC_API void gemvec_tokenizer_free(gemvec_tokenizer* tokenizer);
// The model's own. Lives as long as the model; not to be freed.
GEMVEC_API const gemvec_tokenizer* gemvec_model_tokenizer(const gemvec_model* model);

// Number of ids; every id that comes out is below it.
GEMVEC_API size_t gemvec_vocab_size(const gemvec_tokenizer* tokenizer);
typedef enum gemvec_special { GEMVEC_PAD = 0, GEMVEC_EOS = 1, GEMVEC_BOS = 2 } gemvec_special;
// The id of a gemvec_special, or -1.
GEMVEC_API int32_t gemvec_special_id(const gemvec_tokenizer* tokenizer, int32_t which);
// 1 if the id is a mark that no text has (<pad>, <bos>, <start_of_turn>, ...), else 0.
GEMVEC_API int gemvec_is_special(const gemvec_tokenizer* tokenizer, int32_t id);
// The token as the vocabulary spells it; {NULL, 0} if there is no such id. Lives as long as the tokenizer.
GEMVEC_API gemvec_text gemvec_piece(const gemvec_tokenizer* tokenizer, int32_t id);

typedef struct gemvec_tokenize_options {
  size_t struct_size;    // sizeof(gemvec_tokenize_options)
  gemvec_text prompt;    // put before every text, and tokenised together with it
  uint32_t max_tokens;   // BOS and EOS included, at least 2; 0: no limit
  int32_t no_bos_eos;    // not 0: without BOS and EOS
  int32_t byte_ranges;   // not 0: also gemvec_tokens_ranges()
  int32_t truncate;      // gemvec_truncate
  int32_t control_text;  // gemvec_control_text
} gemvec_tokenize_options;

// Bytes [begin, end) of prompt and text that a token stands for; empty for BOS and EOS.
typedef struct gemvec_byte_range {
  uint64_t begin, end;
} gemvec_byte_range;

// Texts [count] to ids, which keep EOS when truncated. Errors: GEMVEC_TOO_LONG (names the text),
// GEMVEC_INVALID_ARGUMENT (max_tokens of 1).
GEMVEC_API gemvec_status gemvec_tokenize(const gemvec_tokenizer* tokenizer, const gemvec_text* texts,
                                         size_t count, const gemvec_tokenize_options* options,
                                         gemvec_tokens** out);
// NULL is let pass.
GEMVEC_API void gemvec_tokens_free(gemvec_tokens* tokens);
// Number of texts, and the number of ids of the longest (0 if there are no texts).
GEMVEC_API size_t gemvec_tokens_count(const gemvec_tokens* tokens);
GEMVEC_API size_t gemvec_tokens_longest(const gemvec_tokens* tokens);
// Ids of text `index`; {NULL, 0} if there is no such text. Memory of the tokens.
GEMVEC_API gemvec_ids gemvec_tokens_ids(const gemvec_tokens* tokens, size_t index);
// One range for each of its ids, or NULL if they were not asked for. Memory of the tokens.
GEMVEC_API const gemvec_byte_range* gemvec_tokens_ranges(const gemvec_tokens* tokens, size_t index);
// [count]; NULL if count is 0.
GEMVEC_API const gemvec_text_info* gemvec_tokens_texts(const gemvec_tokens* tokens);
// Fills rectangles [count, width] as gemvec_embed_padded() takes them: ids, PAD where there is none, and the
// mask; either may be NULL. `left` not 0: padding goes before the text. Errors: GEMVEC_INVALID_ARGUMENT
// (width below gemvec_tokens_longest()).
GEMVEC_API gemvec_status gemvec_tokens_pad(const gemvec_tokens* tokens, size_t width, int left,
                                           int64_t* input_ids, int64_t* attention_mask);

// The text that ids spell; ids outside the table spell nothing. `skip_special` not 0: without the marks. Free
// `*text` with gemvec_free(); it ends with a zero byte that `*size` (may be NULL) does not count.
GEMVEC_API gemvec_status gemvec_decode(const gemvec_tokenizer* tokenizer, gemvec_ids ids, int skip_special,
                                       char** text, size_t* size);

// ---- Similarity ----

typedef enum gemvec_similarity_kind {
  GEMVEC_COSINE = 0,
  GEMVEC_DOT = 1,
  GEMVEC_EUCLIDEAN = 2,  // minus the distance, so that more is nearer
  GEMVEC_MANHATTAN = 3   // likewise
} gemvec_similarity_kind;

// `kind` is a gemvec_similarity_kind. out[i, j] = similarity of a[i] and b[j]: a [rows_a, dim], b [rows_b,
// dim], out [rows_a, rows_b], all row by row; `out` overlaps neither. Sums are taken in double precision. A
// vector of zeros has cosine 0 with all. Errors: GEMVEC_INVALID_ARGUMENT.
GEMVEC_API gemvec_status gemvec_similarity(int32_t kind, const float* a, size_t rows_a, const float* b,
                                           size_t rows_b, size_t dim, float* out);
// out[i] = similarity of a[i] and b[i]: a and b [rows, dim], out [rows].
GEMVEC_API gemvec_status gemvec_similarity_pairwise(int32_t kind, const float* a, const float* b, size_t rows,
                                                    size_t dim, float* out);

#ifdef __cplusplus
}  // extern "C"
#endif
